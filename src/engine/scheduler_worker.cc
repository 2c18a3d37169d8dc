#include "engine/scheduler_worker.h"

#include <algorithm>
#include <utility>

#include "engine/stopwatch.h"

namespace uffizi {
namespace {

// A work is fresh until its beams have used this many tokens: three times a caption with three
// beams.
constexpr size_t kFreshRowSteps = 1024;
// While there are fresh works, the others get a fifth of the time.
constexpr double kFreshToStale = 4;
// If requests take turns, the maximum rows of a step without fresh works, since a new request waits
// for the end of the step.
constexpr size_t kStaleRows = 16;

}  // namespace

template <typename Body>
void Worker::Compute(bool fresh, const Body& body, Lock& lock) {
  lock.unlock();
  if (!runner_.has_buffers()) runner_.SetBuffers(scheduler_.shared->TakeBuffers());
  runner_.SetThreads(scheduler_.shared->Enter(fresh));
  runner_.Execute(body);
  scheduler_.shared->Leave(fresh);
  lock.lock();
}

void Worker::Run() {
  Lock lock(scheduler_.mutex);
  for (;;) {
    EndRunning(lock);
    if (scheduler_.stopping) return;
    if (!WorkOnce(lock)) Wait(lock);
  }
}

bool Worker::WorkOnce(Lock& lock) {
  if (running_.empty() && scheduler_.asking.empty()) batch_.reset();  // and what it took
  if (Join(lock)) return true;
  if (!scheduler_.decoded.empty() && WorksRunning() < scheduler_.options.batch) {
    const WorkPtr work = std::move(scheduler_.decoded.front());
    scheduler_.decoded.pop_front();
    Encode(work, lock);
    return true;
  }
  return Step(lock);
}

void Worker::Wait(Lock& lock) {
  if (running_.empty()) {
    batch_.reset();
    if (runner_.has_buffers()) scheduler_.shared->ReturnBuffers(runner_.TakeBuffers());
    scheduler_.to_answer.wait(lock);
  } else {  // others go first, but not forever
    scheduler_.to_answer.wait_until(lock, stale_again_);
  }
}

// Drops queries that nobody waits for any more.
void Worker::EndRunning(Lock& lock) {
  for (size_t i = running_.size(); i-- > 0;) {
    const WorkPtr work = running_[i].work;
    const auto end = scheduler_.MustEnd(*work);
    if (!end) continue;
    batch_->Remove(running_[i].index);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    --scheduler_.load.questions;
    std::erase(scheduler_.asking, work);
    if (--work->held == 0 && !work->ended) scheduler_.End(work, *end, nullptr, lock);
  }
}

size_t Worker::WorksRunning() const {
  size_t works = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    works += std::none_of(running_.begin(), running_.begin() + static_cast<std::ptrdiff_t>(i),
                          [&](const Running& one) { return one.work == running_[i].work; });
  }
  return works;
}

// The first question of a work may join even if another work has many questions in the batch.
bool Worker::MayJoin(const Scheduler::Work& work) const {
  if (running_.empty()) return true;
  if (!batch_->may_add()) return false;
  if (work.joined == 0 && WorksRunning() < scheduler_.options.batch) return true;
  size_t rows = static_cast<size_t>(work.pending.front().query.num_beams());
  for (const Running& one : running_) rows += one.rows;
  return running_.size() < scheduler_.options.batch && rows <= scheduler_.options.max_rows;
}

// The waiting work with the fewest joined queries, so that works take turns.
std::deque<Scheduler::WorkPtr>::iterator Worker::NextToJoin(Lock& lock) {
  auto& asking = scheduler_.asking;
  for (size_t i = 0; i < asking.size();) {
    const WorkPtr work = asking[i];
    const auto end = scheduler_.MustEnd(*work);
    if (!end) {
      ++i;
      continue;
    }
    std::erase(asking, work);
    if (work->held == 0 && !work->ended) scheduler_.End(work, *end, nullptr, lock);
    i = 0;  // the lock was given up
  }
  auto best = asking.end();
  for (auto one = asking.begin(); one != asking.end(); ++one) {
    if (MayJoin(**one) && (best == asking.end() || (*one)->joined < (*best)->joined)) best = one;
  }
  return best;
}

bool Worker::Join(Lock& lock) {
  const auto next = NextToJoin(lock);
  if (next == scheduler_.asking.end()) return false;
  const WorkPtr work = *next;
  PendingQuery query = std::move(work->pending.front());
  work->pending.pop_front();
  if (work->pending.empty()) scheduler_.asking.erase(next);
  ++work->joined;
  ++work->held;
  const Stopwatch time;
  Outcome outcome;
  size_t index = 0;
  Compute(
      Fresh(*work),
      [&] {
        try {
          if (!batch_ || !batch_->may_add()) {
            batch_ = std::make_unique<DecodeBatch>(runner_.network(), runner_.arena());
          }
          index = runner_.Join(query.query, *batch_);
        } catch (const std::exception&) {
          outcome.error = std::current_exception();
        }
      },
      lock);
  if (outcome.error) {
    CloseQuery(work, query, std::move(outcome), lock);
    return true;
  }
  const auto rows = static_cast<size_t>(query.query.num_beams());
  running_.push_back({work, std::move(query), index, rows});
  running_.back().text_seconds = time.Seconds();
  ++scheduler_.load.questions;
  return true;
}

void Worker::Encode(const WorkPtr& work, Lock& lock) {
  work->begun = true;
  --scheduler_.load.waiting;
  ++scheduler_.load.answering;
  ++work->held;
  std::exception_ptr failure;
  if (!scheduler_.MustEnd(*work)) {
    Compute(
        Fresh(*work),
        [&] {
          try {
            // If no question can be asked, the picture need not be encoded.
            for (const Question& question : work->ask.questions) {
              if (work->ask.all_or_nothing && !question.after) {
                PromptsOf(question, {}, work->image.width, work->image.height);
              }
            }
            work->encoded = runner_.Encode(work->image.view(), work->ask.tiles, [&] {
              return work->cancelled || scheduler_.stopping || work->Overdue();
            });
          } catch (const std::exception&) {
            failure = std::current_exception();
          }
        },
        lock);
  }
  --work->held;
  if (!work->ask.keep_pixels) {
    scheduler_.pixel_bytes -= work->image.pixels.size();
    work->image = {};
    scheduler_.to_decode.notify_all();
  }
  const auto end = scheduler_.MustEnd(*work);
  if (end || failure) {
    scheduler_.End(work, end.value_or(AskedEnd::kFailed), failure, lock);
  } else if (work->Open(*scheduler_.engine)) {
    scheduler_.asking.push_back(work);
    scheduler_.to_answer.notify_all();
  } else {
    scheduler_.End(work, work->failed ? AskedEnd::kFailed : AskedEnd::kAnswered, nullptr, lock);
  }
}

// Of these indices into `running_`, those that have used the least so far, as many as fit into one
// step.
std::vector<size_t> Worker::Cheapest(std::vector<size_t> places, size_t most_rows) const {
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    return running_[a].work->row_steps < running_[b].work->row_steps;
  });
  size_t rows = 0, count = 0;
  while (count < places.size() &&
         (count == 0 || rows + running_[places[count]].rows <= most_rows)) {
    rows += running_[places[count++]].rows;
  }
  places.resize(count);
  return places;
}

// The queries whose turn it is, as indices into `running_`; none if all must wait for other
// workers.
std::vector<size_t> Worker::Choose() {
  std::vector<size_t> fresh, stale;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i].query.alone) return {i};
    (running_[i].work->fresh ? fresh : stale).push_back(i);
  }
  if (!scheduler_.options.fair) {
    fresh.insert(fresh.end(), stale.begin(), stale.end());
    return Cheapest(std::move(fresh), scheduler_.options.max_rows);
  }
  if (fresh.empty()) {
    const bool others = scheduler_.fresh > 0 && Ask::Clock::now() < stale_again_;
    return others ? std::vector<size_t>() : Cheapest(std::move(stale), kStaleRows);
  }
  const double stale_then = stale_seconds_ + last_stale_seconds_;
  if (stale.empty() || stale_then * kFreshToStale > fresh_seconds_) {
    return Cheapest(std::move(fresh), scheduler_.options.max_rows);
  }
  return Cheapest(std::move(stale), kStaleRows);
}

// Handles one query after a step in which it took part.
void Worker::StepOne(Running& one, double seconds, std::optional<Outcome>& outcome) {
  const Ask& ask = one.work->ask;
  one.step_seconds += seconds;
  if (batch_->failure(one.index)) {
    outcome = {{}, batch_->failure(one.index)};
    return;
  }
  if (one.length == batch_->length(one.index)) return;  // it waited
  one.length = batch_->length(one.index);
  const bool done = batch_->done(one.index);
  const auto most = static_cast<size_t>(ask.max_tokens);
  // The answer about a tile is not a partial answer about the picture.
  const bool tell = ask.progress && !ask.questions[one.query.question].after && !one.query.tile;
  if (!done && !tell && (most == 0 || one.length <= most)) return;
  const Generated so_far = batch_->search(one.index).result();
  if (tell) {
    ask.progress(one.query.question, runner_.tokenizer().Decode(so_far.ids),
                 one.query.query.num_beams() == 1);
  }
  const bool cut = !done && most > 0 && so_far.ids.size() >= most;
  if (!done && !cut) return;
  outcome = {runner_.MakeResult(one.query.query, so_far), nullptr};
  outcome->result.truncated |= cut;
  outcome->result.timings.text_encoder = one.text_seconds;
  outcome->result.timings.decoder = one.step_seconds;
}

bool Worker::Step(Lock& lock) {
  if (running_.empty()) return false;
  const std::vector<size_t> chosen = Choose();
  if (chosen.empty()) return false;
  std::vector<std::optional<Outcome>> outcomes(chosen.size());
  std::exception_ptr failure;
  double seconds = 0;
  Compute(
      Fresh(*running_[chosen.front()].work),
      [&] {
        try {
          std::vector<size_t> indices;
          for (const size_t place : chosen) indices.push_back(running_[place].index);
          std::sort(indices.begin(), indices.end());
          const Stopwatch time;
          batch_->Step(indices);
          seconds = time.Seconds();
        } catch (const std::exception&) {
          failure = std::current_exception();
          return;
        }
        for (size_t i = 0; i < chosen.size(); ++i) {
          try {
            StepOne(running_[chosen[i]], seconds, outcomes[i]);
          } catch (const std::exception&) {
            outcomes[i] = {{}, std::current_exception()};
          }
        }
      },
      lock);
  if (failure) {
    TryAlone(chosen, failure, lock);
    return true;
  }
  Count(chosen, seconds);
  Close(chosen, std::move(outcomes), lock);
  return true;
}

void Worker::Count(const std::vector<size_t>& chosen, double seconds) {
  Scheduler::Load& load = scheduler_.load;
  ++load.steps;
  load.step_questions += chosen.size();
  const bool was_fresh = running_[chosen.front()].work->fresh;
  bool both = false;
  for (const Running& one : running_) both |= one.work->fresh != was_fresh;
  for (const size_t place : chosen) {
    Scheduler::Work& work = *running_[place].work;
    work.row_steps += running_[place].rows;
    load.step_rows += running_[place].rows;
    if (work.fresh && work.row_steps > kFreshRowSteps && !work.ended) {
      work.fresh = false;
      if (scheduler_.options.fair && --scheduler_.fresh == 0) scheduler_.to_answer.notify_all();
    }
  }
  if (!both) fresh_seconds_ = stale_seconds_ = 0;
  (was_fresh ? fresh_seconds_ : stale_seconds_) += both ? seconds : 0;
  if (!was_fresh) {
    last_stale_seconds_ = seconds;
    stale_again_ = Ask::Clock::now() + std::chrono::duration_cast<Ask::Clock::duration>(
                                           std::chrono::duration<double>(kFreshToStale * seconds));
  }
}

void Worker::Close(const std::vector<size_t>& places, std::vector<std::optional<Outcome>> outcomes,
                   Lock& lock) {
  std::vector<std::pair<Running, Outcome>> closed;
  std::vector<size_t> gone;
  for (size_t i = 0; i < places.size(); ++i) {
    if (!outcomes[i]) continue;
    batch_->Remove(running_[places[i]].index);
    closed.emplace_back(std::move(running_[places[i]]), *std::move(outcomes[i]));
    gone.push_back(places[i]);
  }
  std::sort(gone.rbegin(), gone.rend());
  for (const size_t place : gone) {
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
  }
  scheduler_.load.questions -= closed.size();
  for (auto& [one, outcome] : closed) CloseQuery(one.work, one.query, std::move(outcome), lock);
}

void Worker::CloseQuery(const WorkPtr& work, const PendingQuery& query, Outcome outcome,
                        Lock& lock) {
  const bool waited = !work->pending.empty();
  work->Close(*scheduler_.engine, query, std::move(outcome));
  --work->held;
  if (work->held == 0 && !work->ended && (work->failed || work->complete())) {
    scheduler_.End(work, work->failed ? AskedEnd::kFailed : AskedEnd::kAnswered, nullptr, lock);
  } else if (!waited && !work->pending.empty()) {
    scheduler_.asking.push_back(work);
    scheduler_.to_answer.notify_all();
  }
}

// A whole step failed, probably for lack of memory. Each query starts over and runs alone; if it
// fails again, it has failed.
void Worker::TryAlone(const std::vector<size_t>& chosen, std::exception_ptr error, Lock& lock) {
  if (chosen.size() == 1) {
    std::vector<std::optional<Outcome>> outcomes(1);
    outcomes[0] = {{}, std::move(error)};
    Close(chosen, std::move(outcomes), lock);
    return;
  }
  std::vector<bool> again(running_.size(), !batch_->may_add());
  for (const size_t place : chosen) again[place] = true;
  std::vector<Running> others;
  for (size_t i = 0; i < running_.size(); ++i) {
    Running& one = running_[i];
    if (!again[i]) {
      others.push_back(std::move(one));
      continue;
    }
    batch_->Remove(one.index);
    one.query.alone = true;
    if (one.work->pending.empty()) scheduler_.asking.push_back(one.work);
    one.work->pending.push_back(std::move(one.query));
    --one.work->held;
    --scheduler_.load.questions;
  }
  running_ = std::move(others);
}

}  // namespace uffizi
