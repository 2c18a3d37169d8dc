#ifndef UFFIZI_DATASET_JOB_H_
#define UFFIZI_DATASET_JOB_H_

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "dataset/journal.h"
#include "dataset/pipeline.h"
#include "dataset/sink.h"
#include "dataset/source.h"

namespace uffizi::dataset {

struct JobProgress {
  size_t done = 0;             // pictures, including those of earlier runs
  size_t failed = 0;           // of those
  size_t before = 0;           // done by earlier runs
  double seconds = 0;          // of this run
  std::optional<Error> error;  // of the last picture
};

struct Job {
  const Collection* collection = nullptr;
  std::shared_ptr<const Engine> engine;
  PipelineOptions pipeline;
  std::vector<std::unique_ptr<Sink>> sinks;
  Journal* journal = nullptr;                        // null: the job cannot be resumed
  PictureNamer::Options naming;                      // as needed by the sinks
  std::optional<Existing> existing;                  // empty: the default of each sink
  bool drop_invalid = false;                         // leave error records out
  const std::atomic<bool>* stop = nullptr;           // set to end the job early
  std::function<void(const JobProgress&)> progress;  // after each picture and once a second
};

struct JobSummary {
  JobProgress progress;
  bool finished = false;  // false: stopped early
  // In this run and earlier ones.
  size_t already_there = 0;  // pictures that were skipped because all their outputs exist
  size_t kept = 0;           // other per-picture files that existed and were kept
  size_t outside = 0;        // regions dropped because their label is not among the classes
  LeftOut left_out = {};     // files in folders that are not pictures
};

// Runs a job to its end, starting where its journal says that it stopped. Throws Error: kIo if an
// output cannot be written (the journal then records how far it got), kInvalidArgument if the
// pictures before that point have changed.
JobSummary RunJob(Job& job);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOB_H_
