#ifndef UFFIZI_ENGINE_SCHEDULER_WORKER_H_
#define UFFIZI_ENGINE_SCHEDULER_WORKER_H_

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/decode_batch.h"
#include "engine/runner.h"
#include "engine/scheduler_work.h"

namespace uffizi {

// One worker of a scheduler. It fills its batch first, with queries that wait or by encoding
// pictures, and then takes a step with the whole of it: a step with many rows takes hardly longer
// than one with few.
class Worker {
 public:
  explicit Worker(Scheduler::Impl& scheduler)
      : scheduler_(scheduler), runner_(scheduler.engine, nullptr) {}

  // Works until the scheduler stops.
  void Run();

 private:
  using Lock = std::unique_lock<std::mutex>;
  using WorkPtr = Scheduler::WorkPtr;
  // A query in the batch.
  struct Running {
    WorkPtr work;
    PendingQuery query;
    size_t index;       // in the batch
    size_t rows;        // of a step, at most
    size_t length = 1;  // tokens so far, the decoder's start token included
    double text_seconds = 0, step_seconds = 0;
    bool cut = false;  // stopped at max_tokens
  };

  bool WorkOnce(Lock& lock);
  void Wait(Lock& lock);
  void EndRunning(Lock& lock);
  bool Join(Lock& lock);
  std::deque<WorkPtr>::iterator NextToJoin(Lock& lock);
  bool MayJoin(const Scheduler::Work& work) const;
  size_t WorksRunning() const;
  void Encode(const WorkPtr& work, Lock& lock);
  bool Step(Lock& lock);
  std::vector<size_t> Choose();
  std::vector<size_t> Cheapest(std::vector<size_t> places, size_t most_rows) const;
  void StepOne(Running& one, double seconds, std::optional<Outcome>& outcome);
  void Count(const std::vector<size_t>& chosen, double seconds);
  void TryAlone(const std::vector<size_t>& chosen, std::exception_ptr error, Lock& lock);
  // Removes answered queries from the batch.
  void Close(const std::vector<size_t>& places, std::vector<std::optional<Outcome>> outcomes,
             Lock& lock);
  void CloseQuery(const WorkPtr& work, const PendingQuery& query, Outcome outcome, Lock& lock);
  // Runs `body` without the lock, on this worker's share of the threads.
  template <typename Body>
  void Compute(bool fresh, const Body& body, Lock& lock);
  // If requests do not take turns, none counts as fresh.
  bool Fresh(const Scheduler::Work& work) const { return scheduler_.options.fair && work.fresh; }

  Scheduler::Impl& scheduler_;
  Runner runner_;
  std::unique_ptr<DecodeBatch> batch_;
  std::vector<Running> running_;
  double fresh_seconds_ = 0, stale_seconds_ = 0;  // of steps, since there were both kinds
  double last_stale_seconds_ = 0;
  Ask::Clock::time_point stale_again_{};  // when a stale step may follow the last
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_SCHEDULER_WORKER_H_
