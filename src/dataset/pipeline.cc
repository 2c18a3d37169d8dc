#include "dataset/pipeline.h"

#include <algorithm>
#include <new>
#include <utility>

namespace uffizi::dataset {
namespace {

using Clock = std::chrono::steady_clock;

// Pictures of more pixels are decoded one at a time, when no other pixels wait.
constexpr size_t kUsualPixels = 24'000'000;
// File contents that may wait to be decoded.
constexpr size_t kRawBytes = size_t{64} << 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

// A picture on its way.
struct Pipeline::Item {
  Record record;
  std::string bytes;
  bool huge = false;  // over kUsualPixels
  Image image;
  double decode_seconds = 0;
  EncodedImage encoded;
};

Pipeline::Pipeline(std::shared_ptr<const Engine> engine, PipelineOptions options,
                   std::unique_ptr<Source> source, size_t first, PictureNamer namer)
    : engine_(std::move(engine)),
      options_(std::move(options)),
      source_(std::move(source)),
      namer_(std::move(namer)),
      window_((static_cast<size_t>(options_.workers) + 1) * (options_.batch + 4)),
      next_(first),
      read_(first) {
  threads_.emplace_back([this] { Read(); });
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

Pipeline::~Pipeline() {
  {
    const std::lock_guard lock(mutex_);
    aborted_ = true;
  }
  work_.notify_all();
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pipeline::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const ItemPtr& item : raw_) read_ = std::min(read_, item->record.index);
    raw_.clear();
  }
  room_.notify_all();
  done_.notify_all();
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
  if (found == finished_.end()) return std::nullopt;
  Record record = std::move(found->second->record);
  finished_.erase(found);
  ++next_;
  room_.notify_all();
  return record;
}

void Pipeline::FailAll(std::exception_ptr failure) {
  if (failure_ == nullptr) failure_ = std::move(failure);
  aborted_ = true;
  work_.notify_all();
  room_.notify_all();
  done_.notify_all();
}

void Pipeline::Read() {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [&] {
      return aborted_ || stopped_ || (read_ - next_ < window_ && raw_bytes_ < kRawBytes);
    });
    if (aborted_ || stopped_) break;
    auto item = std::make_unique<Item>();
    Record& record = item->record;
    record.index = read_;
    lock.unlock();
    bool found = false;
    std::exception_ptr failure;
    try {
      found = source_->Next(record.picture);
      if (found) {
        namer_.Name(record);
        if (record.picture.error) throw *record.picture.error;
        record.already_there = options_.skip && options_.skip(record);
        if (!record.already_there) item->bytes = source_->Read(options_.decode.max_file_bytes);
      }
    } catch (const Error& error) {
      if (found) {
        record.errors.push_back(error);
      } else {
        failure = std::current_exception();
      }
    } catch (const std::bad_alloc&) {
      record.errors.push_back(
          Error(ErrorCode::kImageTooLarge, record.picture.name + ": not enough memory to read it"));
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure != nullptr) {
      FailAll(failure);
      break;
    }
    if (!found || stopped_) break;
    ++read_;
    if (!record.errors.empty() || record.already_there) {
      Finish(std::move(item));
    } else {
      raw_bytes_ += item->bytes.size();
      raw_.push_back(std::move(item));
      work_.notify_one();
    }
  }
  source_ended_ = true;
  work_.notify_all();
  done_.notify_all();
}

void Pipeline::Work() {
  std::unique_lock lock(mutex_);
  try {
    Session session(engine_);
    while (!aborted_) {
      if (WorkOnce(session, lock)) continue;
      if (source_ended_ && next_ + finished_.size() == read_) break;
      ++idle_;
      work_.wait(lock);
      --idle_;
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    FailAll(std::current_exception());
  }
  work_.notify_all();
}

bool Pipeline::MayDecode() const {
  if (raw_.empty()) return false;
  if (raw_.front()->huge) return pixel_bytes_ == 0 && decoding_ == 0;
  return pixel_bytes_ < options_.pixel_bytes;
}

bool Pipeline::WorkOnce(Session& session, std::unique_lock<std::mutex>& lock) {
  const auto take = [](std::deque<ItemPtr>& queue) {
    ItemPtr item = std::move(queue.front());
    queue.pop_front();
    return item;
  };
  size_t ready = 0;
  if (encoded_.size() >= options_.batch) {
    ready = options_.batch;
  } else if (!decoded_.empty()) {
    Encode(take(decoded_), session, lock);
    return true;
  } else if (MayDecode()) {
    Decode(take(raw_), lock);
    return true;
  } else if (!encoded_.empty()) {
    // Shared with the workers that have nothing to do either.
    const size_t sharers = 1 + static_cast<size_t>(idle_);
    ready = (encoded_.size() + sharers - 1) / sharers;
  }
  if (ready == 0) return false;
  std::vector<ItemPtr> items;
  while (items.size() < ready) items.push_back(take(encoded_));
  if (!encoded_.empty()) work_.notify_one();
  Generate(std::move(items), session, lock);
  return true;
}

void Pipeline::Decode(ItemPtr item, std::unique_lock<std::mutex>& lock) {
  ++decoding_;
  lock.unlock();
  Record& record = item->record;
  const auto start = Clock::now();
  bool put_back = false;
  try {
    DecodeOptions options = options_.decode;
    if (!item->huge) options.max_pixels = std::min(options.max_pixels, kUsualPixels);
    const auto* bytes = reinterpret_cast<const uint8_t*>(item->bytes.data());
    item->image = DecodeImage({bytes, item->bytes.size()}, record.picture.name, options);
    record.width = item->image.width;
    record.height = item->image.height;
  } catch (const Error& error) {
    put_back = error.code() == ErrorCode::kImageTooLarge && !item->huge &&
               options_.decode.max_pixels > kUsualPixels;
    if (!put_back) record.errors.push_back(error);
  } catch (const std::exception& error) {
    record.errors.push_back(Error(ErrorCode::kInternal, record.picture.name + ": " + error.what()));
  }
  item->decode_seconds = SecondsSince(start);
  lock.lock();
  --decoding_;
  if (put_back) {
    item->huge = true;
    raw_.push_front(std::move(item));
  } else {
    raw_bytes_ -= item->bytes.size();
    std::string().swap(item->bytes);
    room_.notify_all();
    if (!record.errors.empty()) {
      Finish(std::move(item));
    } else {
      pixel_bytes_ += item->image.pixels.size();
      decoded_.push_back(std::move(item));
    }
  }
  work_.notify_all();
}

void Pipeline::Encode(ItemPtr item, Session& session, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  Record& record = item->record;
  try {
    item->encoded = session.Encode(item->image.view());
  } catch (const Error& error) {
    record.errors.push_back(Error(error.code(), record.picture.name + ": " + error.what()));
  } catch (const std::exception& error) {
    record.errors.push_back(Error(ErrorCode::kInternal, record.picture.name + ": " + error.what()));
  }
  size_t freed = 0;
  if (!options_.keep_pixels || !record.errors.empty()) {
    freed = item->image.pixels.size();
    item->image = {};
  }
  lock.lock();
  pixel_bytes_ -= freed;
  if (record.errors.empty()) {
    encoded_.push_back(std::move(item));
  } else {
    Finish(std::move(item));
  }
  work_.notify_all();
}

namespace {

// The results of all questions in one list. What the picture cost stands in the first.
std::vector<Result> Flatten(AskedPicture& asked, double decode_seconds) {
  std::vector<Result> results;
  for (std::vector<Result>& some : asked.results) {
    std::move(some.begin(), some.end(), std::back_inserter(results));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    Timings& timings = results[i].timings;
    if (i == 0) {
      timings.decode = decode_seconds;
      timings.total += decode_seconds;
    } else {
      timings.total -= timings.preprocess + timings.vision_encoder;
      timings.preprocess = timings.vision_encoder = 0;
    }
  }
  return results;
}

// Leaves out regions whose label is a class, but none of these. What was read is no class, and
// what has no label is of none. Returns how many.
size_t DropOthers(const ClassIndex& classes, Answer& answer) {
  if (answer.shape == AnswerShape::kText || answer.shape == AnswerShape::kQuads) return 0;
  return std::erase_if(answer.regions, [&](const Region& region) {
    return !region.label.empty() && !classes.Find(region.label);
  });
}

}  // namespace

void Pipeline::Generate(std::vector<ItemPtr> items, Session& session,
                        std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  std::vector<AskedPicture> asked(items.size());
  for (size_t i = 0; i < items.size(); ++i) asked[i].image = &items[i]->encoded;
  AskAll(session, options_.questions, options_.generation, asked);
  size_t freed = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    Item& item = *items[i];
    item.record.results = Flatten(asked[i], item.decode_seconds);
    if (options_.classes != nullptr) {
      for (Result& result : item.record.results) {
        item.record.outside += DropOthers(*options_.classes, result.answer);
      }
    }
    for (const Error& error : asked[i].errors) {
      item.record.errors.push_back(
          Error(error.code(), item.record.picture.name + ": " + error.what()));
    }
    if (options_.prepare) options_.prepare(item.record, item.image);
    freed += item.image.pixels.size();
    item.image = {};
    item.encoded = {};
  }
  lock.lock();
  pixel_bytes_ -= freed;
  for (ItemPtr& item : items) Finish(std::move(item));
  work_.notify_all();
}

void Pipeline::Finish(ItemPtr item) {
  const size_t index = item->record.index;
  finished_.emplace(index, std::move(item));
  if (index == next_) done_.notify_all();
  if (source_ended_) work_.notify_all();
}

}  // namespace uffizi::dataset
