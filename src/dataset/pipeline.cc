#include "dataset/pipeline.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace uffizi::dataset {
namespace {

// Maximum bytes of files waiting to be decoded.
constexpr size_t kRawBytes = size_t{64} << 20;

SchedulerOptions OptionsOf(const PipelineOptions& options) {
  SchedulerOptions scheduler;
  scheduler.workers = options.workers;
  scheduler.threads = options.threads;
  scheduler.batch = options.batch;
  scheduler.max_rows = std::numeric_limits<size_t>::max();
  scheduler.pixel_bytes = options.pixel_bytes;
  return scheduler;
}

// The results of all questions in one list.
std::vector<Result> Flatten(std::vector<std::vector<Result>> results) {
  std::vector<Result> flat;
  for (std::vector<Result>& some : results) {
    std::move(some.begin(), some.end(), std::back_inserter(flat));
  }
  return flat;
}

// Converts `error` to that of a record, with `name` prepended to its message.
Error ErrorOf(const std::exception_ptr& error, const std::string& name) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& ours) {
    return Error(ours.code(), name + ours.what());
  } catch (const std::exception& other) {
    return Error(ErrorCode::kInternal, name + other.what());
  }
}

// Drops regions whose label is not among the classes. Recognized text is not a class, and regions
// without a label have none. Returns how many were dropped.
size_t DropOthers(const ClassIndex& classes, Answer& answer) {
  if (answer.shape == AnswerShape::kText || answer.shape == AnswerShape::kQuads) return 0;
  return std::erase_if(answer.regions, [&](const Region& region) {
    return !region.label.empty() && !classes.Find(region.label);
  });
}

bool IsError(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error&) {
    return true;
  } catch (...) {
    return false;
  }
}

// The number of pages of a file; 0 if unknown, in which case the decoder will report the error.
size_t CountPages(std::span<const uint8_t> file, const std::string& name,
                  const DecodeOptions& options) {
  try {
    return InspectPages(file, name, options).count;
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace

struct Pipeline::RawBytes {
  RawBytes(Pipeline& owner, std::string read) : pipeline(owner), bytes(std::move(read)) {}
  ~RawBytes() {
    const std::lock_guard lock(pipeline.mutex_);
    pipeline.raw_bytes_ -= bytes.size();
    pipeline.room_.notify_all();
  }
  RawBytes(const RawBytes&) = delete;
  RawBytes& operator=(const RawBytes&) = delete;

  Pipeline& pipeline;
  const std::string bytes;
};

Pipeline::Pipeline(std::shared_ptr<const Engine> engine, PipelineOptions options,
                   std::unique_ptr<Source> source, size_t first, PictureNamer namer)
    : options_(std::move(options)),
      source_(std::move(source)),
      namer_(std::move(namer)),
      window_((static_cast<size_t>(options_.workers) + 1) * (options_.batch + 4)),
      next_(first),
      read_(first),
      scheduler_(std::move(engine), OptionsOf(options_)),
      reader_([this] { Read(); }) {}

Pipeline::~Pipeline() {
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
  }
  room_.notify_all();
  reader_.join();
  scheduler_.Stop();
}

void Pipeline::Stop() {
  std::map<size_t, Scheduler::WorkPtr> working;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    working = working_;
  }
  room_.notify_all();
  for (const auto& [index, work] : working) {
    if (!scheduler_.CancelWaiting(work)) continue;
    const std::lock_guard lock(mutex_);
    read_ = std::min(read_, index);
  }
  done_.notify_all();
}

LeftOut Pipeline::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

bool Pipeline::ended() const {
  const std::lock_guard lock(mutex_);
  return source_ended_ && next_ == read_;
}

std::optional<Record> Pipeline::Next(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] {
    return failure_ != nullptr || finished_.contains(next_) || (source_ended_ && next_ == read_);
  };
  done_.wait_for(lock, patience, ready);
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  const auto found = finished_.find(next_);
  if (found == finished_.end() || next_ == read_) return std::nullopt;
  Record record = std::move(*found->second);
  finished_.erase(found);
  ++next_;
  room_.notify_all();
  return record;
}

void Pipeline::FailAll(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (failure_ == nullptr) failure_ = std::move(failure);
  aborted_ = true;
  room_.notify_all();
  done_.notify_all();
}

void Pipeline::Read() {
  while (true) {
    auto record = std::make_shared<Record>();
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] {
        return aborted_ || stopped_ || (read_ - next_ < window_ && raw_bytes_ < kRawBytes);
      });
      if (aborted_ || stopped_) break;
      record->index = read_;
    }
    bool found = false;
    std::string bytes;
    try {
      found = source_->Next(record->picture);
      if (found) {
        namer_.Name(*record);
        if (record->picture.error) throw *record->picture.error;
        record->already_there = options_.skip && options_.skip(*record);
        if (!record->already_there) bytes = source_->Read(options_.decode.max_file_bytes);
      }
    } catch (const Error& error) {
      if (!found) {
        FailAll(std::current_exception());
        break;
      }
      record->errors.push_back(error);
    } catch (const std::bad_alloc&) {
      record->errors.push_back(Error(ErrorCode::kImageTooLarge,
                                     record->picture.name + ": not enough memory to read it"));
    } catch (...) {
      FailAll(std::current_exception());
      break;
    }
    {
      const std::lock_guard lock(mutex_);
      if (!found || stopped_) break;
      ++read_;
      raw_bytes_ += bytes.size();
    }
    if (record->errors.empty() && !record->already_there) {
      Submit(std::move(record), std::move(bytes));
    } else {
      Finish(std::move(record));
    }
  }
  const std::lock_guard lock(mutex_);
  left_out_ = source_->left_out();
  source_ended_ = true;
  done_.notify_all();
}

void Pipeline::Submit(std::shared_ptr<Record> record, std::string bytes) {
  auto raw = std::make_shared<const RawBytes>(*this, std::move(bytes));
  Ask ask;
  ask.name = record->picture.name;
  ask.file = {reinterpret_cast<const uint8_t*>(raw->bytes.data()), raw->bytes.size()};
  ask.holder = std::move(raw);
  ask.decode = options_.decode;
  ask.tiles = options_.tiles;
  ask.filter = options_.filter;
  PictureRef& picture = record->picture;
  if (picture.page == 0) {
    picture.pages = CountPages(ask.file, picture.name, options_.decode);
  } else if (picture.pages > 0) {
    ask.decode.page = picture.page - 1;
  }
  ask.keep_pixels = options_.keep_pixels;
  ask.questions = options_.questions;
  ask.generation = options_.generation;
  ask.done = [this, record](Asked asked) { Take(record, std::move(asked)); };
  const size_t index = record->index;
  const Scheduler::WorkPtr work = scheduler_.Submit(std::move(ask));
  const std::lock_guard lock(mutex_);
  if (!finished_.contains(index) && index >= next_) working_[index] = work;
}

// Called by the scheduler's threads.
void Pipeline::Take(const std::shared_ptr<Record>& record, Asked asked) {
  if (asked.end == AskedEnd::kCancelled || asked.end == AskedEnd::kStopped) return;
  const std::string& name = record->picture.name;
  try {
    record->width = asked.width;
    record->height = asked.height;
    if (asked.failure) {
      // The decoder's message already names the picture.
      const bool named = asked.width == 0 && IsError(asked.failure);
      record->errors.push_back(ErrorOf(asked.failure, named ? "" : name + ": "));
    }
    for (const QuestionError& error : asked.errors) {
      const Question& question = options_.questions[error.question];
      Error named = ErrorOf(error.error, name + ": " + NameOf(question) + ": ");
      // An option that is invalid for every picture.
      if (error.before_asking && named.code() == ErrorCode::kInvalidArgument) {
        std::rethrow_exception(error.error);
      }
      record->errors.push_back(std::move(named));
    }
    record->results = Flatten(std::move(asked.results));
    if (options_.classes != nullptr) {
      for (Result& result : record->results) {
        record->outside += DropOthers(*options_.classes, result.answer);
      }
    }
    if (options_.prepare && !asked.failure) options_.prepare(*record, asked.image);
    Finish(record);
  } catch (...) {
    FailAll(std::current_exception());
  }
}

void Pipeline::Finish(std::shared_ptr<Record> record) {
  const std::lock_guard lock(mutex_);
  const size_t index = record->index;
  working_.erase(index);
  finished_.emplace(index, std::move(record));
  if (index == next_) done_.notify_all();
}

}  // namespace uffizi::dataset
