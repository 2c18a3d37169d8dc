#ifndef UFFIZI_ENGINE_SCHEDULER_H_
#define UFFIZI_ENGINE_SCHEDULER_H_

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/questions.h"
#include "engine/shared_threads.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {

struct SchedulerOptions {
  int workers = 1;  // that encode and generate, each with buffers of its own
  int threads = 1;  // of all of them together, shared by the workers that are busy
  // Shares threads and buffers with the workers of other schedulers; null for threads of its own.
  std::shared_ptr<SharedThreads> shared = nullptr;
  size_t batch = 8;                        // questions that a worker answers at once
  size_t max_rows = 64;                    // beams of all of them, if one alone has no more
  size_t pixel_bytes = size_t{256} << 20;  // decoded pixels that may wait, beside one picture's
  // Whether requests that have used much computing time yield to those that have used little.
  bool fair = false;
};

// How the processing of a picture ended.
enum class AskedEnd {
  kAnswered,   // each question has its results or an error
  kFailed,     // the picture cannot be read, or with `all_or_nothing` a question not be answered
  kCancelled,  // by Cancel
  kOverdue,    // the deadline passed
  kStopped,    // by Stop
};

struct QuestionError {
  size_t question;
  std::exception_ptr error;
  bool before_asking;  // the question itself is invalid, for any picture
};

// The outcome of a picture and its questions.
struct Asked {
  AskedEnd end = AskedEnd::kAnswered;
  std::exception_ptr failure;  // of kFailed
  int width = 0, height = 0;   // of the picture; 0 if it was not decoded
  Image image;                 // with keep_pixels
  // Of each question; a question that follows another has one for each of its prompts. The time
  // spent on the picture is reported with the first result only.
  std::vector<std::vector<Result>> results;
  std::vector<std::vector<int>> input_tokens;  // of each result, the picture's included
  std::vector<QuestionError> errors;
  double queue_seconds = 0;  // until decoding began
};

// A picture and what to ask about it.
struct Ask {
  using Clock = std::chrono::steady_clock;

  std::string name;                    // of the picture, in messages
  std::span<const uint8_t> file;       // its bytes
  std::shared_ptr<const void> holder;  // keeps the bytes alive; released once they are decoded
  DecodeOptions decode;                // its `cancelled` is not used
  TileOptions tiles;                   // of large pictures
  RegionFilter filter;                 // drops regions, also as inputs of follow-up questions
  bool keep_pixels = false;
  std::vector<Question> questions;
  GenerationOptions generation;
  int max_tokens = 0;  // of an answer, which is then truncated; 0: as many as the options say
  std::optional<Clock::time_point> deadline;
  bool all_or_nothing = false;
  // Called with the answer so far to a question, special tokens included, and whether it can only
  // grow. Not called for follow-up questions.
  std::function<void(size_t question, const std::string& text, bool only_grows)> progress;
  // If set, no questions are asked: called with the decoded picture, on the thread that decoded it.
  // Whatever it throws is reported as the failure. `must_end` tells whether to give up.
  std::function<void(const Image& image, const std::function<bool()>& must_end)> look;
  // Called once, on a thread of the scheduler. It must not throw.
  std::function<void(Asked)> done;
};

// Answers questions about many pictures at a time. Pictures are decoded and encoded while answers
// are generated; a new question joins a worker's batch at the next token and leaves when it is
// answered. Each question gets the answer that it would get alone. A question that fails does not
// affect others: if a whole step fails, its questions are retried one by one.
class Scheduler {
 public:
  class Work;  // an Ask in progress
  using WorkPtr = std::shared_ptr<Work>;

  Scheduler(std::shared_ptr<const Engine> engine, const SchedulerOptions& options);
  // Stops.
  ~Scheduler();

  WorkPtr Submit(Ask ask);
  // Cancels a request. Running work ends at its next token.
  void Cancel(const WorkPtr& work);
  // Cancels a request only if processing has not begun; returns whether it did.
  bool CancelWaiting(const WorkPtr& work);
  // Ends all submitted work as soon as possible, and the threads.
  void Stop();

  const Engine& engine() const;

  // How many pictures wait before this one to be encoded; nothing if it is no longer waiting.
  std::optional<size_t> Ahead(const WorkPtr& work) const;

  struct Load {
    size_t waiting = 0;                                     // pictures waiting to be encoded
    size_t answering = 0;                                   // the others
    size_t questions = 0;                                   // that are in a worker's batch
    uint64_t steps = 0, step_questions = 0, step_rows = 0;  // since the start
  };
  Load load() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// The outcome of one of several queries.
struct Outcome {
  Result result;
  std::exception_ptr error;  // if set, there is no result
};

// Like Session::Run(), but queries that fail do not affect the others.
std::vector<Outcome> RunEach(Session& session, std::span<const Query> queries,
                             const ProgressCallback& progress = {});

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_SCHEDULER_H_
