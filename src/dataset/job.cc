#include "dataset/job.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kCheckpointInterval{250};
constexpr std::chrono::milliseconds kPatience{100};

// A running job.
class Run {
 public:
  explicit Run(Job& job)
      : job_(job), job_files_(job.journal != nullptr ? job.journal->files() : own_files_) {
    for (const auto& sink : job.sinks) {
      sink->Use(job_files_, job.existing);
      for (AppendFile* file : sink->files()) files_.push_back({file, sink->existing()});
    }
  }

  JobSummary Execute() {
    OpenFiles();
    std::unique_ptr<Source> source = job_.collection->Open();
    PictureNamer namer(job_.naming);
    SkipDone(*source, namer);
    Pipeline pipeline(job_.engine, Prepared(), std::move(source), state_.done, std::move(namer));
    last_checkpoint_ = Clock::now();
    while (!pipeline.ended()) {
      if (job_.stop != nullptr && job_.stop->load() && !stopping_) {
        stopping_ = true;
        pipeline.Stop();
      }
      std::optional<Record> record = pipeline.Next(kPatience);
      if (record) Take(*record);
      Report(record && !record->errors.empty() ? std::optional(record->errors.front())
                                               : std::nullopt);
      if (Clock::now() - last_checkpoint_ >= kCheckpointInterval) WriteCheckpoint();
    }
    WriteCheckpoint();
    if (!stopping_) Finish();
    return {
        MakeProgress(std::nullopt), !stopping_, state_.already_there, state_.kept, state_.outside,
        pipeline.left_out()};
  }

 private:
  void OpenFiles() {
    if (job_.journal != nullptr && job_.journal->found()) {
      state_ = *job_.journal->found();
      before_ = state_.done;
    }
    earlier_ = state_;
    const bool goes_on = state_.lengths.size() == files_.size();
    if (!goes_on) state_.lengths.assign(files_.size(), 0);
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto& [file, existing] = files_[i];
      if (goes_on) {
        file->GoOn(job_files_, state_.lengths[i]);
      } else {
        const bool replace = existing == Existing::kOverwrite;
        file->Begin(job_files_, replace ? IdentityOf(file->path()) : std::nullopt);
      }
    }
    // From here on the outputs belong to this job: even a run that is killed before its first
    // picture can be resumed.
    if (job_.journal != nullptr) job_.journal->Write(state_);
    for (const auto& sink : job_.sinks) sink->Begin();
  }

  // Skips the pictures that earlier runs have processed.
  void SkipDone(Source& source, PictureNamer& namer) {
    uint64_t hash = HashText("");
    Record record;
    for (; record.index < state_.done; ++record.index) {
      if (!source.Next(record.picture)) break;
      hash = HashText(record.picture.name + '\0', hash);
      namer.Name(record);
    }
    if (state_.done > 0 && (record.index < state_.done || hash != state_.names)) {
      throw Error(ErrorCode::kInvalidArgument,
                  job_.journal->folder().string() +
                      ": the pictures that the unfinished job had processed have changed; "
                      "--restart starts over");
    }
    state_.names = hash;
  }

  PipelineOptions Prepared() {
    PipelineOptions options = job_.pipeline;
    for (const auto& sink : job_.sinks) options.keep_pixels |= sink->wants_pixels();
    options.skip = [this](const Record& record) { return IsThere(record); };
    options.prepare = [this](const Record& record, const Image& image) {
      for (const auto& sink : job_.sinks) sink->Prepare(record, image);
    };
    return options;
  }

  // Whether all outputs of a picture exist and are kept.
  bool IsThere(const Record& record) const {
    const auto has = [&](const std::unique_ptr<Sink>& sink) {
      return sink->Keeps() && sink->Has(record);
    };
    return !job_.sinks.empty() && std::all_of(job_.sinks.begin(), job_.sinks.end(), has);
  }

  void Take(Record& record) {
    ++state_.done;
    state_.already_there += record.already_there ? 1 : 0;
    outside_ += record.outside;
    state_.failed += record.errors.empty() ? 0 : 1;
    state_.names = HashText(record.picture.name + '\0', state_.names);
    std::vector<Error> errors = record.errors;
    if (job_.drop_invalid) record.errors.clear();
    if (!record.already_there) {
      for (const auto& sink : job_.sinks) sink->Add(record);
    }
    record.errors = std::move(errors);
  }

  JobProgress MakeProgress(std::optional<Error> error) const {
    return {state_.done, state_.failed, before_,
            std::chrono::duration<double>(Clock::now() - start_).count(), std::move(error)};
  }

  void Report(std::optional<Error> error) {
    if (job_.progress) job_.progress(MakeProgress(std::move(error)));
  }

  void WriteCheckpoint() {
    Count();
    for (const auto& sink : job_.sinks) sink->Checkpoint();
    for (const auto& [file, existing] : files_) file->Flush(false);
    for (size_t i = 0; i < files_.size(); ++i) {
      files_[i].first->Flush(job_.journal != nullptr);
      state_.lengths[i] = files_[i].first->length();
    }
    if (job_.journal != nullptr) job_.journal->Write(state_);
    last_checkpoint_ = Clock::now();
  }

  // Adds up what sinks have kept or dropped.
  void Count() {
    state_.kept = earlier_.kept;
    size_t outside = 0;
    for (const auto& sink : job_.sinks) {
      state_.kept += sink->kept();
      outside = std::max(outside, sink->outside());  // mostly the same ones
    }
    state_.outside = earlier_.outside + outside_ + outside;
  }

  void Finish() {
    for (const auto& sink : job_.sinks) sink->Finish();
    for (const auto& [file, existing] : files_) file->Flush(job_.journal != nullptr);
    if (job_.journal != nullptr) job_.journal->Remove();
  }

  Job& job_;
  JobFiles own_files_;  // without a journal
  JobFiles& job_files_;
  std::vector<std::pair<AppendFile*, Existing>> files_;
  Checkpoint state_, earlier_;
  size_t outside_ = 0;  // of this run, in records
  size_t before_ = 0;
  bool stopping_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_checkpoint_;
};

}  // namespace

JobSummary RunJob(Job& job) { return Run(job).Execute(); }

}  // namespace uffizi::dataset
