#ifndef UFFIZI_ENGINE_SCHEDULER_WORK_H_
#define UFFIZI_ENGINE_SCHEDULER_WORK_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/scheduler.h"

namespace uffizi {

// One query of a work: a question, or one of the prompts of a follow-up question.
struct PendingQuery {
  Query query;
  size_t question, prompt;
  bool alone = false;                         // it failed in a batch, and runs alone
  std::optional<size_t> tile = std::nullopt;  // of a prompt that is asked about tiles
};

// A picture in progress and its answers so far. A thread that holds it (`held`) may use the members
// that are not marked as the scheduler's without the lock.
class Scheduler::Work {
 public:
  Work(Ask asked, int tokens_of_image);

  bool Overdue() const { return ask.deadline && Ask::Clock::now() > *ask.deadline; }

  // Decodes the picture and returns its error, if any. Sets `put_back` if the picture was only not
  // decoded because it has more than `usual_pixels`.
  std::exception_ptr Decode(std::optional<size_t> usual_pixels, bool& put_back,
                            const std::function<bool()>& must_end);
  // Makes the queries of the questions that follow no other. Returns false if none can be asked.
  bool Open(const Engine& engine);
  // Takes the outcome of a query and makes its follow-up queries. With `all_or_nothing`, an error
  // sets `failed`.
  void Close(const Engine& engine, const PendingQuery& query, Outcome outcome);
  // Whether every question has its answers.
  bool complete() const { return open_ == 0; }
  Asked TakeAnswers(AskedEnd end, std::exception_ptr failure);

  Ask ask;
  const Ask::Clock::time_point created = Ask::Clock::now();
  Image image;
  EncodedImage encoded;
  double queue_seconds = 0, decode_seconds = 0;
  std::deque<PendingQuery> pending;  // to join a batch: the scheduler's

  // Members of the scheduler, protected by its lock.
  std::atomic<bool> cancelled = false;
  bool submitted = true, begun = false, ended = false, huge = false;
  bool failed = false;  // `failure` says why
  std::exception_ptr failure;
  int held = 0;          // by a decoder, an encoder, or the batches its queries are in
  size_t joined = 0;     // queries that have joined a batch
  size_t row_steps = 0;  // tokens of all beams so far
  bool fresh = true;     // it has used little computing time

 private:
  struct Tiled {
    Query query;
    std::vector<Result> results;  // of each tile
    size_t open;                  // tiles that have not ended
    bool failed = false;
  };
  struct Answers {
    std::vector<std::optional<Result>> results;  // of each prompt
    std::vector<int> input_tokens;
    size_t open = 0;                // prompts without an end
    std::map<size_t, Tiled> tiled;  // those that are asked about tiles
  };

  void OpenQuestion(const Engine& engine, size_t question);
  void CloseQuestion(const Engine& engine, size_t question);
  bool CloseTile(const PendingQuery& query, Outcome& outcome);
  void Fail(size_t question, std::exception_ptr error, bool before_asking);
  std::vector<Result> ResultsOf(size_t question) const;

  const int image_tokens_;
  std::vector<Answers> answers_;
  std::vector<QuestionError> errors_;
  size_t open_ = 0;  // prompts without an end
};

class Scheduler::Impl {
 public:
  Impl(std::shared_ptr<const Engine> loaded, const SchedulerOptions& wanted);
  ~Impl();

  WorkPtr Submit(Ask ask);
  void Cancel(const WorkPtr& work);
  bool CancelWaiting(const WorkPtr& work);
  void Stop();
  std::optional<size_t> Ahead(const WorkPtr& work) const;

  // Call these with the lock held. End() releases it while `done` runs.
  std::optional<AskedEnd> MustEnd(const Work& work) const;
  void End(const WorkPtr& work, AskedEnd end, std::exception_ptr failure,
           std::unique_lock<std::mutex>& lock);

  const std::shared_ptr<const Engine> engine;
  const SchedulerOptions options;
  const std::shared_ptr<SharedThreads> shared;
  const int image_tokens;  // of every picture

  mutable std::mutex mutex;  // of all that follows
  std::condition_variable to_decode, to_answer;
  std::deque<WorkPtr> raw, decoded;
  std::deque<WorkPtr> asking;   // encoded, with queries that wait for a batch
  size_t pixel_bytes = 0;       // of `decoded`, and of pictures that keep their pixels
  size_t last_pixel_bytes = 0;  // of the picture that was decoded last
  int decoding = 0;
  size_t fresh = 0;  // works that are
  std::atomic<bool> stopping = false;
  Load load;

 private:
  bool MayDecode() const;
  void DecodePictures();
  void Decode(const WorkPtr& work, std::unique_lock<std::mutex>& lock);

  std::vector<std::thread> threads_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_SCHEDULER_WORK_H_
