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
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {

struct SchedulerOptions {
  int workers = 1;       // that encode and generate, each with buffers of its own
  int threads = 1;       // of all of them together, shared by those that have something to do
  size_t batch = 8;      // questions that a worker answers at once
  size_t max_rows = 64;  // beams of all of them, if one alone has no more
  size_t pixel_bytes = size_t{256} << 20;  // decoded pixels that may wait, beside one picture's
  // Whether a request that has had much of the machine makes way for those that have had little.
  bool fair = false;
};

// How the answering of a picture ended.
enum class AskedEnd {
  kAnswered,   // each question has its results or an error
  kFailed,     // the picture cannot be read, or with `all_or_nothing` a question not be answered
  kCancelled,  // by Cancel
  kOverdue,    // the deadline was before the end
  kStopped,    // by Stop
};

struct QuestionError {
  size_t question;
  std::exception_ptr error;
  bool before_asking;  // the question itself makes no sense, with this picture or any
};

// What came of a picture and its questions.
struct Asked {
  AskedEnd end = AskedEnd::kAnswered;
  std::exception_ptr failure;  // of kFailed
  int width = 0, height = 0;   // of the picture; 0 if it was not decoded
  Image image;                 // with keep_pixels
  // Of each question; a question that follows another has one for each of its prompts. What the
  // picture cost stands in the first of all, and nowhere else.
  std::vector<std::vector<Result>> results;
  std::vector<std::vector<int>> input_tokens;  // of each result, the picture's included
  std::vector<QuestionError> errors;
  double queue_seconds = 0;  // until somebody began to decode it
};

// A picture and what to ask about it.
struct Ask {
  using Clock = std::chrono::steady_clock;

  std::string name;                    // of the picture, in messages
  std::span<const uint8_t> file;       // its bytes
  std::shared_ptr<const void> holder;  // of the bytes; let go once they are decoded
  DecodeOptions decode;                // its `cancelled` is not used
  TileOptions tiles;                   // of large pictures
  RegionFilter filter;                 // regions that are left out, and asked about no further
  bool keep_pixels = false;
  std::vector<Question> questions;
  GenerationOptions generation;
  int max_tokens = 0;  // of an answer, which is then truncated; 0: as many as the options say
  std::optional<Clock::time_point> deadline;
  bool all_or_nothing = false;
  // The answer so far to a question, special tokens included, and whether it can only grow. Not
  // called for questions that follow others.
  std::function<void(size_t question, const std::string& text, bool only_grows)> progress;
  // If set, nothing is asked: called with the decoded picture, on the thread that decoded it, which
  // then is done with. What it throws is the failure. `must_end` says whether to give up.
  std::function<void(const Image& image, const std::function<bool()>& must_end)> look;
  // Called once, on a thread of the scheduler. It must not throw.
  std::function<void(Asked)> done;
};

// Answers questions about pictures, many at a time: pictures are decoded and encoded while answers
// are generated, a new question joins those of a worker at their next token, and one that is
// answered leaves. Answers are those that each question would get alone. A question that fails
// costs itself: if all of a step fail together, each is tried alone.
class Scheduler {
 public:
  class Work;  // one Ask on its way
  using WorkPtr = std::shared_ptr<Work>;

  Scheduler(std::shared_ptr<const Engine> engine, const SchedulerOptions& options);
  // Stops.
  ~Scheduler();

  WorkPtr Submit(Ask ask);
  // Nobody wants the answers any more. What runs ends at its next token.
  void Cancel(const WorkPtr& work);
  // The same if nobody has begun with it; returns whether that was so.
  bool CancelWaiting(const WorkPtr& work);
  // Ends everything that was submitted, as soon as may be; the threads end.
  void Stop();

  const Engine& engine() const;

  // How many of the pictures that nobody has begun to encode come before this one; nothing if it is
  // none of them any more.
  std::optional<size_t> Ahead(const WorkPtr& work) const;

  struct Load {
    size_t waiting = 0;    // pictures that nobody has begun to encode
    size_t answering = 0;  // the others
    size_t questions = 0;  // that are in a worker's batch
    uint64_t steps = 0, step_questions = 0, step_rows = 0;  // since the beginning
  };
  Load load() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// What came of one of several queries.
struct Outcome {
  Result result;
  std::exception_ptr error;  // if set, there is no result
};

// Session::Run for queries of which some may fail: those cost the others nothing.
std::vector<Outcome> RunEach(Session& session, std::span<const Query> queries,
                             const ProgressCallback& progress = {});

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_SCHEDULER_H_
