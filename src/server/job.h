#ifndef UFFIZI_SERVER_JOB_H_
#define UFFIZI_SERVER_JOB_H_

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "server/annotate_request.h"
#include "uffizi/types.h"

namespace uffizi::server {

// The answers to one request.
struct Answered {
  std::vector<Result> results;    // one for each question
  std::vector<int> input_tokens;  // of each question, the picture's included
  double queue_seconds = 0;       // from the request to its turn
  Image image;                    // with keep_pixels
};

// A request shared by the connection that waits for it and the scheduler that answers it.
class Job {
  ImageFile image_;

 public:
  using Clock = std::chrono::steady_clock;

  // Stores the request; TakeImage() returns its picture.
  Job(AnnotateRequest asked, Clock::time_point must_end)
      : image_(std::move(asked.image)),
        request(std::move(asked)),
        deadline(must_end),
        texts_(request.questions.size()) {}

  const AnnotateRequest request;
  const Clock::time_point deadline;
  Scheduler::WorkPtr work = nullptr;

  ImageFile TakeImage() { return std::move(image_); }

  // For the scheduler. Update() sets the answer so far to a question, and whether it can only grow;
  // Finish() and Fail() end the job.
  void Update(size_t question, const std::string& text, bool only_grows);
  void Finish(Answered answered);
  void Fail(std::exception_ptr error);

  struct Text {
    size_t question;
    std::string text;  // the raw answer so far
    bool only_grows;   // with beam search, the text may change again
  };
  // Before the first text: the picture waits for `ahead` others, or is being processed.
  struct Stage {
    bool waiting;
    size_t ahead;

    bool operator==(const Stage&) const = default;
  };
  struct News {
    std::vector<Text> texts;  // what changed since the last call
    std::optional<Stage> stage = {};
    bool ended = false;
  };
  // Waits for news, at most for `limit`.
  News Wait(std::chrono::milliseconds limit);

  // Once the job has ended: returns the answers or throws.
  Answered Take();
  void ThrowIfFailed();

 private:
  struct TextState {
    std::string text;
    bool only_grows = false;
    bool changed = false;
  };

  std::mutex mutex_;
  std::condition_variable news_;
  std::vector<TextState> texts_;
  bool ended_ = false;
  Answered answered_;
  std::exception_ptr error_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_JOB_H_
