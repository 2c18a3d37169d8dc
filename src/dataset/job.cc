#include "dataset/job.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace uffizi::dataset {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kCheckpointInterval{250};
constexpr std::chrono::milliseconds kPatience{100};

// The job while it runs.
class Run {
 public:
  explicit Run(Job& job) : job_(job) {
    for (const auto& sink : job.sinks) {
      for (AppendFile* file : sink->files()) files_.push_back(file);
    }
  }

  JobSummary Execute() {
    OpenFiles();
    std::unique_ptr<Source> source = job_.collection->Open();
    OutputNames names;
    SkipDone(*source, names);
    Pipeline pipeline(job_.engine, Prepared(), std::move(source), state_.done, std::move(names));
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
    return {MakeProgress(std::nullopt), !stopping_};
  }

 private:
  void OpenFiles() {
    if (job_.journal != nullptr && job_.journal->found()) {
      state_ = *job_.journal->found();
      before_ = state_.done;
    }
    if (state_.lengths.size() != files_.size()) state_.lengths.assign(files_.size(), 0);
    for (size_t i = 0; i < files_.size(); ++i) files_[i]->Open(state_.lengths[i]);
    // From here on the outputs belong to this job: a run that is killed before its first picture is
    // one that can be gone on with.
    if (job_.journal != nullptr) job_.journal->Write(state_);
    for (const auto& sink : job_.sinks) sink->Begin();
  }

  // Steps over the pictures that earlier runs have dealt with.
  void SkipDone(Source& source, OutputNames& names) {
    uint64_t hash = HashText("");
    Record record;
    for (; record.index < state_.done; ++record.index) {
      if (!source.Next(record.picture)) break;
      hash = HashText(record.picture.name + '\0', hash);
      record.output_name = names.Give(record.picture.stem, record.picture.name);
      for (const auto& sink : job_.sinks) sink->Skip(record);
    }
    if (state_.done > 0 && (record.index < state_.done || hash != state_.names)) {
      throw Error(ErrorCode::kInvalidArgument,
                  job_.journal->folder().string() +
                      ": the pictures that the unfinished job has dealt with are no longer the "
                      "same; --restart begins again");
    }
    state_.names = hash;
  }

  PipelineOptions Prepared() {
    PipelineOptions options = job_.pipeline;
    for (const auto& sink : job_.sinks) options.keep_pixels |= sink->wants_pixels();
    options.prepare = [this](const Record& record, const Image& image) {
      for (const auto& sink : job_.sinks) sink->Prepare(record, image);
    };
    return options;
  }

  void Take(Record& record) {
    ++state_.done;
    state_.failed += record.errors.empty() ? 0 : 1;
    state_.names = HashText(record.picture.name + '\0', state_.names);
    std::vector<Error> errors = record.errors;
    if (job_.drop_invalid) record.errors.clear();
    for (const auto& sink : job_.sinks) sink->Add(record);
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
    for (size_t i = 0; i < files_.size(); ++i) {
      files_[i]->Flush(job_.journal != nullptr);
      state_.lengths[i] = files_[i]->length();
    }
    if (job_.journal != nullptr) job_.journal->Write(state_);
    last_checkpoint_ = Clock::now();
  }

  void Finish() {
    for (const auto& sink : job_.sinks) sink->Finish();
    for (AppendFile* file : files_) file->Flush(job_.journal != nullptr);
    if (job_.journal != nullptr) job_.journal->Remove();
  }

  Job& job_;
  std::vector<AppendFile*> files_;
  Checkpoint state_;
  size_t before_ = 0;
  bool stopping_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_checkpoint_;
};

}  // namespace

JobSummary RunJob(Job& job) { return Run(job).Execute(); }

}  // namespace uffizi::dataset
