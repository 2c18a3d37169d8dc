#ifndef UFFIZI_DATASET_PIPELINE_H_
#define UFFIZI_DATASET_PIPELINE_H_

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dataset/class_list.h"
#include "dataset/output_names.h"
#include "dataset/record.h"
#include "dataset/source.h"
#include "engine/scheduler.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi::dataset {

using uffizi::CheckQuestions;
using uffizi::Question;

struct PipelineOptions {
  std::vector<Question> questions;
  GenerationOptions generation;
  DecodeOptions decode;
  TileOptions tiles;
  RegionFilter filter;
  int workers = 1;   // of the scheduler
  int threads = 1;   // of all workers together
  size_t batch = 8;  // maximum questions that a worker answers together
  // Maximum decoded pixels that may wait, in bytes. In addition, each worker may decode one
  // picture, and there may be one picture of any size.
  size_t pixel_bytes = size_t{256} << 20;
  // Called by workers for each answered picture. `image` is empty unless keep_pixels.
  std::function<void(const Record&, const Image&)> prepare;
  bool keep_pixels = false;
  // Pictures for which this returns true are skipped. Called by one thread, in order.
  std::function<bool(const Record&)> skip;
  // If set, regions of other classes are dropped from answers whose labels are classes.
  std::shared_ptr<const ClassIndex> classes;
};

// Pictures in, records out, in the same order. A reader thread reads ahead for a scheduler, which
// decodes, encodes and answers pictures concurrently. The work in progress is bounded.
class Pipeline {
 public:
  // `source` is positioned before picture `first`; `namer` has seen those before it.
  Pipeline(std::shared_ptr<const Engine> engine, PipelineOptions options,
           std::unique_ptr<Source> source, size_t first, PictureNamer namer);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // The next record, or nothing if there is none after `patience` or none will come (see ended()).
  // Throws errors that stop the whole job, such as a full disk.
  std::optional<Record> Next(std::chrono::milliseconds patience);
  bool ended() const;

  // Files in folders that are not pictures; valid once it has ended.
  LeftOut left_out() const;

  // Finishes the pictures in progress; records end before the first picture that was not started.
  void Stop();

 private:
  void Read();
  // A picture's bytes, which are returned to the budget of waiting bytes.
  struct RawBytes;
  void Submit(std::shared_ptr<Record> record, std::string bytes);
  void Take(const std::shared_ptr<Record>& record, Asked asked);
  void Finish(std::shared_ptr<Record> record);
  void FailAll(std::exception_ptr failure);

  const PipelineOptions options_;
  std::unique_ptr<Source> source_;  // the reader's
  PictureNamer namer_;              // the reader's
  const size_t window_;             // maximum pictures in progress

  mutable std::mutex mutex_;
  std::condition_variable room_;  // for the reader
  std::condition_variable done_;  // for Next
  std::map<size_t, Scheduler::WorkPtr> working_;
  std::map<size_t, std::shared_ptr<Record>> finished_;
  size_t next_;  // index of the next record to return
  size_t read_;  // index of the next picture to read; at the end, the number of records
  size_t raw_bytes_ = 0;
  LeftOut left_out_;
  bool source_ended_ = false, stopped_ = false, aborted_ = false;
  std::exception_ptr failure_;
  Scheduler scheduler_;
  std::thread reader_;
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PIPELINE_H_
