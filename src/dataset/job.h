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
  size_t done = 0;             // pictures, those of earlier runs included
  size_t failed = 0;           // of those
  size_t before = 0;           // done by earlier runs
  double seconds = 0;          // of this run
  std::optional<Error> error;  // of the picture done last
};

struct Job {
  const Collection* collection = nullptr;
  std::shared_ptr<const Engine> engine;
  PipelineOptions pipeline;
  std::vector<std::unique_ptr<Sink>> sinks;
  Journal* journal = nullptr;                        // null: the job cannot be gone on with
  PictureNamer::Options naming;                      // as the sinks need it
  std::optional<Existing> existing;                  // empty: as is usual for each sink
  bool drop_invalid = false;                         // leave error records out
  const std::atomic<bool>* stop = nullptr;           // set by whoever wants the job to end early
  std::function<void(const JobProgress&)> progress;  // after each picture and once a second
};

struct JobSummary {
  JobProgress progress;
  bool finished = false;  // false: stopped early
  // Of this run and those before it.
  size_t already_there = 0;  // pictures that were not asked about, as all that would come was there
  size_t kept = 0;           // other single files that were there and stayed
  size_t outside = 0;        // regions left out, as their label is none of the classes
  LeftOut left_out = {};     // files of folders that were no pictures
};

// Runs a job to its end, from where its journal says that it stopped. Throws Error: kIo if an
// output cannot be written, in which case the journal tells how far it got; kInvalidArgument if the
// pictures before that point are no longer the same.
JobSummary RunJob(Job& job);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOB_H_
