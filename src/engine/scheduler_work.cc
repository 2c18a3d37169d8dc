#include "engine/scheduler_work.h"

#include <algorithm>
#include <new>
#include <utility>

#include "engine/runner.h"
#include "engine/stopwatch.h"

namespace uffizi {

Scheduler::Work::Work(Ask asked, int tokens_of_image)
    : ask(std::move(asked)), image_tokens_(tokens_of_image) {
  answers_.resize(ask.questions.size());
}

std::exception_ptr Scheduler::Work::Decode(std::optional<size_t> usual_pixels, bool& put_back,
                                           const std::function<bool()>& must_end) {
  if (queue_seconds == 0) {
    queue_seconds = std::chrono::duration<double>(Ask::Clock::now() - created).count();
  }
  const Stopwatch time;
  std::exception_ptr error;
  DecodeOptions options = ask.decode;
  if (usual_pixels) options.max_pixels = std::min(options.max_pixels, *usual_pixels);
  options.cancelled = must_end;
  try {
    image = DecodeImage(ask.file, ask.name, options);
    if (ask.look) ask.look(image, must_end);
  } catch (const Error& refused) {
    put_back = refused.code() == ErrorCode::kImageTooLarge && usual_pixels &&
               ask.decode.max_pixels > *usual_pixels;
    if (!put_back) error = std::current_exception();
  } catch (const std::exception&) {
    error = std::current_exception();
  }
  decode_seconds += time.Seconds();
  if (!put_back) {
    ask.file = {};
    ask.holder.reset();
  }
  return error;
}

bool Scheduler::Work::Open(const Engine& engine) {
  for (size_t q = 0; q < ask.questions.size() && !failed; ++q) {
    if (!ask.questions[q].after) OpenQuestion(engine, q);
  }
  return !pending.empty();
}

void Scheduler::Work::OpenQuestion(const Engine& engine, size_t q) {
  const Question& question = ask.questions[q];
  Answers& answers = answers_[q];
  std::deque<PendingQuery> queries;
  try {
    std::vector<Result> before;
    if (question.after) before = ResultsOf(*question.after);
    for (const Prompt& prompt : PromptsOf(question, before, encoded.width(), encoded.height())) {
      queries.push_back(
          {engine.MakeQuery(encoded, prompt, ask.generation, ask.filter), q, queries.size()});
    }
  } catch (const std::exception&) {
    Fail(q, std::current_exception(), true);
    queries.clear();
  }
  for (PendingQuery& query : queries) {
    answers.input_tokens.push_back(image_tokens_ +
                                   static_cast<int>(query.query.input_ids().size()));
    std::vector<Query> tiles = Runner::PartsOf(query.query);
    if (tiles.empty()) {
      pending.push_back(std::move(query));
      continue;
    }
    for (size_t i = 0; i < tiles.size(); ++i) {
      pending.push_back({std::move(tiles[i]), q, query.prompt, false, i});
    }
    const size_t count = tiles.size();
    answers.tiled.insert({query.prompt, {query.query, std::vector<Result>(count), count}});
  }
  answers.results.resize(queries.size());
  answers.open = queries.size();
  open_ += answers.open;
  if (answers.open == 0) CloseQuestion(engine, q);
}

// Opens the follow-up questions of a question that is completely answered.
void Scheduler::Work::CloseQuestion(const Engine& engine, size_t question) {
  for (size_t q = question + 1; q < ask.questions.size() && !failed; ++q) {
    if (ask.questions[q].after == question) OpenQuestion(engine, q);
  }
}

// Takes the outcome of one tile. Returns true, with all tiles merged into `outcome`, if it was the
// last. An error in one tile is the error of all.
bool Scheduler::Work::CloseTile(const PendingQuery& query, Outcome& outcome) {
  Tiled& tiled = answers_[query.question].tiled.at(query.prompt);
  if (outcome.error) {
    if (!tiled.failed) Fail(query.question, outcome.error, false);
    tiled.failed = true;
  } else {
    tiled.results[*query.tile] = std::move(outcome.result);
  }
  if (--tiled.open > 0) return false;
  if (!tiled.failed) outcome = {Runner::Merge(tiled.query, std::move(tiled.results)), nullptr};
  return true;
}

void Scheduler::Work::Close(const Engine& engine, const PendingQuery& query, Outcome outcome) {
  Answers& answers = answers_[query.question];
  if (query.tile && !CloseTile(query, outcome)) return;
  if (query.tile && answers.tiled.at(query.prompt).failed) {
    // The failure has already been recorded.
  } else if (outcome.error) {
    Fail(query.question, outcome.error, false);
  } else {
    answers.results[query.prompt] = std::move(outcome.result);
  }
  --open_;
  if (--answers.open == 0) CloseQuestion(engine, query.question);
}

void Scheduler::Work::Fail(size_t question, std::exception_ptr error, bool before_asking) {
  if (ask.all_or_nothing && !failed) {
    failed = true;
    failure = error;
  }
  errors_.push_back({question, std::move(error), before_asking});
}

std::vector<Result> Scheduler::Work::ResultsOf(size_t question) const {
  std::vector<Result> results;
  for (const std::optional<Result>& result : answers_[question].results) {
    if (result) results.push_back(*result);
  }
  return results;
}

Asked Scheduler::Work::TakeAnswers(AskedEnd end, std::exception_ptr why) {
  Asked asked;
  asked.end = end;
  asked.failure = end == AskedEnd::kFailed && !why ? failure : std::move(why);
  asked.width = encoded.width() > 0 ? encoded.width() : image.width;
  asked.height = encoded.height() > 0 ? encoded.height() : image.height;
  if (ask.keep_pixels) asked.image = std::move(image);
  image = {};
  bool first = true;
  for (Answers& answers : answers_) {
    auto& results = asked.results.emplace_back();
    auto& tokens = asked.input_tokens.emplace_back();
    for (size_t i = 0; i < answers.results.size(); ++i) {
      if (!answers.results[i]) continue;
      Result result = *std::move(answers.results[i]);
      Timings& timings = result.timings;
      if (std::exchange(first, false)) {
        timings.decode = decode_seconds;
      } else {  // the picture was decoded and encoded once, for the first
        timings.preprocess = timings.vision_encoder = 0;
      }
      timings.total = timings.decode + timings.preprocess + timings.vision_encoder +
                      timings.text_encoder + timings.decoder + timings.parse;
      results.push_back(std::move(result));
      tokens.push_back(answers.input_tokens[i]);
    }
  }
  asked.errors = std::move(errors_);
  asked.queue_seconds = queue_seconds;
  encoded = {};
  return asked;
}

}  // namespace uffizi
