#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <new>
#include <thread>

#include "core/mapped_file.h"
#include "engine/engine_impl.h"

namespace uffizi {
namespace {

const std::string kRoot = std::string(UFFIZI_TEST_DATA) + "/../..";

std::shared_ptr<const Engine> Tiny() {
  EngineOptions options;
  options.threads = 2;
  static const auto engine = Engine::Load(kRoot + "/models/uffizi-tiny", options);
  return engine;
}

std::shared_ptr<const std::string> Sample(const std::string& name) {
  return std::make_shared<const std::string>(ReadFile(kRoot + "/samples/" + name));
}

Ask AskAbout(const std::string& name, std::vector<Question> questions,
             std::promise<Asked>& promise) {
  const auto bytes = Sample(name);
  Ask ask;
  ask.name = name;
  ask.file = {reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()};
  ask.holder = bytes;
  ask.questions = std::move(questions);
  ask.done = [&promise](Asked asked) { promise.set_value(std::move(asked)); };
  return ask;
}

Question TaskQuestion(Task task, std::string input = "") {
  return {task, std::move(input), std::nullopt};
}

// The answer of a session to this question alone.
std::string Alone(const std::string& name, const Question& question,
                  const GenerationOptions& generation = {}) {
  Session session(Tiny());
  const Image image = ReadImage(kRoot + "/samples/" + name);
  const EncodedImage encoded = session.Encode(image.view());
  const Prompt prompt = PromptsOf(question, {}, image.width, image.height).front();
  const Query query = Tiny()->MakeQuery(encoded, prompt, generation);
  return session.Run({&query, 1}).front().text;
}

TEST(SharedThreads, WorkersOfAllSchedulersWaitForEachOther) {
  SharedThreads shared(8, 2);
  EXPECT_EQ(shared.Enter(true), 8);
  EXPECT_EQ(shared.Enter(true), 4);
  std::promise<int> third;
  std::thread waiting([&] { third.set_value(shared.Enter(false)); });
  while (shared.waiting() == 0) std::this_thread::yield();
  EXPECT_EQ(shared.computing(), 2);
  shared.Leave(true);
  EXPECT_EQ(third.get_future().get(), 4);  // as it is not fresh, it counts all
  waiting.join();
  shared.Leave(true);
  EXPECT_EQ(shared.Enter(true), 8);  // the other is about to yield
  EXPECT_EQ(shared.computing(), 2);
}

TEST(SharedThreads, TwoSchedulersComputeInTurn) {
  const auto shared = std::make_shared<SharedThreads>(1, 1);
  std::deque<std::promise<Asked>> promises;
  std::atomic<int> inside = 0, seen = 0;
  {
    std::deque<Scheduler> schedulers;
    SchedulerOptions options;
    options.workers = 2;
    options.shared = shared;
    for (int i = 0; i < 2; ++i) schedulers.emplace_back(Tiny(), options);
    for (int i = 0; i < 8; ++i) {
      Ask ask = AskAbout("village.jpg", {TaskQuestion(Task::kCaption)}, promises.emplace_back());
      ask.progress = [&](size_t, const std::string&, bool) {
        EXPECT_EQ(++inside, 1);
        EXPECT_EQ(shared->computing(), 1);
        ++seen;
        --inside;
      };
      schedulers[static_cast<size_t>(i % 2)].Submit(std::move(ask));
    }
    const std::string alone = Alone("village.jpg", TaskQuestion(Task::kCaption));
    for (auto& promise : promises) {
      EXPECT_EQ(promise.get_future().get().results.at(0).at(0).text, alone);
    }
    EXPECT_GT(seen, 0);
    // Workers without work give their buffers back, for those of any scheduler.
    while (shared->idle_buffers() == 0) std::this_thread::yield();
  }
  EXPECT_LE(shared->idle_buffers(), 4u);
  EXPECT_EQ(shared->computing(), 0);
}

// A network whose functions can fail.
struct Flaky : Network {
  explicit Flaky(std::shared_ptr<const Network> good)
      : Network(good->config), network(std::move(good)) {}

  class Run : public DecoderRun {
   public:
    Run(const Flaky& flaky, std::unique_ptr<DecoderRun> good)
        : flaky_(flaky), run_(std::move(good)) {}

    bool joins_late() const override { return flaky_.joins_late; }
    size_t Add(const float* states, size_t tokens, size_t rows, size_t positions) override {
      const size_t index = run_->Add(states, tokens, rows, positions);
      poisoned_.resize(std::max(poisoned_.size(), index + 1));
      poisoned_[index] = flaky_.poison_tokens > 0 && tokens == flaky_.poison_tokens;
      return index;
    }
    void Step(std::span<const DecoderRow> rows, float* logits) override {
      for (const DecoderRow& row : rows) {
        if (poisoned_[row.sequence]) throw std::bad_alloc();
      }
      run_->Step(rows, logits);
    }
    void Drop(size_t sequence) override { run_->Drop(sequence); }

   private:
    const Flaky& flaky_;
    std::unique_ptr<DecoderRun> run_;
    std::vector<bool> poisoned_;
  };

  void EncodeImage(const float* pixels, float* tokens, Arena& arena) const override {
    network->EncodeImage(pixels, tokens, arena);
  }
  void EncodeText(const float* image_tokens, std::span<const int> ids, float* states,
                  Arena& arena) const override {
    network->EncodeText(image_tokens, ids, states, arena);
  }
  std::unique_ptr<DecoderRun> StartDecoder(Arena& arena) const override {
    return std::make_unique<Run>(*this, network->StartDecoder(arena));
  }
  void Describe(EngineInfo& info) const override { network->Describe(info); }

  std::shared_ptr<const Network> network;
  bool joins_late = true;
  size_t poison_tokens = 0;  // sequences of so many encoder tokens cannot take a step
};

const std::vector<std::string> kPictures = {"shop.jpg", "meadow.jpg", "space.jpg", "village.jpg"};
const std::vector<Question> kQuestions = {TaskQuestion(Task::kCaption),
                                          TaskQuestion(Task::kObjectDetection),
                                          TaskQuestion(Task::kDetailedCaption)};

class Answers : public testing::TestWithParam<std::tuple<int, size_t, bool, bool>> {};

// Each question gets the answer that it gets alone, whatever else joins and leaves the batch.
TEST_P(Answers, AreThoseOfEachQuestionAlone) {
  const auto [workers, batch, fair, joins_late] = GetParam();
  SchedulerOptions options;
  options.workers = workers;
  options.threads = 2;
  options.batch = batch;
  options.fair = fair;
  const auto flaky = std::make_shared<Flaky>(EngineLoader::NetworkOf(*Tiny()));
  flaky->joins_late = joins_late;
  Scheduler scheduler(EngineLoader::WithNetwork(*Tiny(), flaky), options);
  std::vector<std::promise<Asked>> promises(kPictures.size() * 2);
  for (size_t i = 0; i < promises.size(); ++i) {
    Ask ask = AskAbout(kPictures[i % kPictures.size()], kQuestions, promises[i]);
    ask.generation.num_beams = i < kPictures.size() ? 1 : 3;
    scheduler.Submit(std::move(ask));
  }
  for (size_t i = 0; i < promises.size(); ++i) {
    const Asked asked = promises[i].get_future().get();
    EXPECT_EQ(asked.end, AskedEnd::kAnswered);
    EXPECT_TRUE(asked.errors.empty());
    GenerationOptions generation;
    generation.num_beams = i < kPictures.size() ? 1 : 3;
    for (size_t q = 0; q < kQuestions.size(); ++q) {
      ASSERT_EQ(asked.results[q].size(), 1u);
      const Result& result = asked.results[q].front();
      EXPECT_EQ(result.text, Alone(kPictures[i % kPictures.size()], kQuestions[q], generation));
      EXPECT_EQ(result.timings.vision_encoder > 0, q == 0);
      EXPECT_GT(result.timings.decoder, 0);
    }
  }
  EXPECT_EQ(scheduler.load().questions, 0u);
  EXPECT_EQ(scheduler.load().answering, 0u);
  EXPECT_EQ(scheduler.load().waiting, 0u);
}

INSTANTIATE_TEST_SUITE_P(All, Answers,
                         testing::Values(std::tuple(1, 8, false, true),
                                         std::tuple(2, 2, true, true), std::tuple(3, 1, true, true),
                                         std::tuple(1, 4, true, false)));

TEST(Scheduler, AFailedStepCostsOnlyWhoCausedIt) {
  const Question bad = TaskQuestion(Task::kPhraseGrounding, "a tree and a house and a dog");
  const Prompt prompt = PromptsOf(bad, {}, 100, 100).front();
  const auto flaky = std::make_shared<Flaky>(EngineLoader::NetworkOf(*Tiny()));
  flaky->poison_tokens =
      static_cast<size_t>(Tiny()->info().image_tokens) + Tiny()->Tokenize(prompt.text).size();
  for (const bool joins_late : {true, false}) {
    flaky->joins_late = joins_late;
    SchedulerOptions options;
    options.threads = 2;
    Scheduler scheduler(EngineLoader::WithNetwork(*Tiny(), flaky), options);
    std::vector<Question> questions = kQuestions;
    questions.insert(questions.begin() + 1, bad);
    std::promise<Asked> promise, other;
    scheduler.Submit(AskAbout("shop.jpg", questions, promise));
    scheduler.Submit(AskAbout("meadow.jpg", kQuestions, other));
    const Asked asked = promise.get_future().get(), fine = other.get_future().get();
    ASSERT_EQ(asked.errors.size(), 1u);
    EXPECT_EQ(asked.errors.front().question, 1u);
    EXPECT_THROW(std::rethrow_exception(asked.errors.front().error), std::bad_alloc);
    EXPECT_TRUE(fine.errors.empty());
    for (const size_t q : {0u, 2u, 3u}) {
      ASSERT_EQ(asked.results[q].size(), 1u);
      EXPECT_EQ(asked.results[q].front().text, Alone("shop.jpg", questions[q]));
    }
    for (size_t q = 0; q < kQuestions.size(); ++q) {
      EXPECT_EQ(fine.results[q].front().text, Alone("meadow.jpg", kQuestions[q]));
    }
  }
  // A session's batch, as used by the C interface.
  Session session(EngineLoader::WithNetwork(*Tiny(), flaky));
  const EncodedImage encoded = session.Encode(ReadImage(kRoot + "/samples/shop.jpg").view());
  std::vector<Query> queries;
  for (const Question& question : {kQuestions[0], bad, kQuestions[1]}) {
    queries.push_back(session.engine().MakeQuery(
        encoded, PromptsOf(question, {}, encoded.width(), encoded.height()).front()));
  }
  const std::vector<Outcome> outcomes = RunEach(session, queries);
  EXPECT_TRUE(outcomes[1].error);
  EXPECT_EQ(outcomes[0].result.text, Alone("shop.jpg", kQuestions[0]));
  EXPECT_EQ(outcomes[2].result.text, Alone("shop.jpg", kQuestions[1]));
}

TEST(Scheduler, QuestionsFollowAnswers) {
  SchedulerOptions options;
  options.threads = 2;
  Scheduler scheduler(Tiny(), options);
  std::vector<Question> questions = {TaskQuestion(Task::kCaption), TaskQuestion(Task::kOcr)};
  questions.push_back({Task::kPhraseGrounding, "", size_t{0}});
  std::promise<Asked> promise;
  scheduler.Submit(AskAbout("shop.jpg", questions, promise));
  const Asked asked = promise.get_future().get();
  ASSERT_EQ(asked.results[2].size(), 1u);
  const std::string caption = asked.results[0].front().answer.text;
  EXPECT_EQ(asked.results[2].front().text,
            Alone("shop.jpg", TaskQuestion(Task::kPhraseGrounding, caption)));
}

TEST(Scheduler, WhatCannotBeReadOrAskedIsTold) {
  SchedulerOptions options;
  options.threads = 2;
  Scheduler scheduler(Tiny(), options);
  std::promise<Asked> broken, wrong, all;
  Ask ask = AskAbout("shop.jpg", kQuestions, broken);
  ask.file = ask.file.subspan(0, 5000);
  scheduler.Submit(std::move(ask));
  std::vector<Question> questions = {kQuestions[0], TaskQuestion(Task::kRegionToOcr, "9,9,9")};
  scheduler.Submit(AskAbout("shop.jpg", questions, wrong));
  ask = AskAbout("shop.jpg", questions, all);
  ask.all_or_nothing = true;
  scheduler.Submit(std::move(ask));
  Asked asked = broken.get_future().get();
  EXPECT_EQ(asked.end, AskedEnd::kFailed);
  EXPECT_THROW(std::rethrow_exception(asked.failure), Error);
  asked = wrong.get_future().get();
  EXPECT_EQ(asked.end, AskedEnd::kAnswered);
  ASSERT_EQ(asked.errors.size(), 1u);
  EXPECT_TRUE(asked.errors.front().before_asking);
  EXPECT_EQ(asked.results[0].size(), 1u);
  asked = all.get_future().get();
  EXPECT_EQ(asked.end, AskedEnd::kFailed);
  EXPECT_THROW(std::rethrow_exception(asked.failure), Error);
}

TEST(Scheduler, EndsWhatNobodyWaitsForAndWhatIsLate) {
  SchedulerOptions options;
  options.threads = 2;
  options.fair = true;
  std::promise<Asked> running, late, waiting, stopped, after;
  const auto slow = [](std::promise<Asked>& promise) {
    Ask ask = AskAbout("shop.jpg", std::vector<Question>(16, kQuestions[0]), promise);
    ask.generation.num_beams = 16;
    ask.generation.min_length = ask.generation.max_length = 250;
    return ask;
  };
  {
    Scheduler scheduler(Tiny(), options);
    const auto work = scheduler.Submit(slow(running));
    while (scheduler.load().questions == 0) std::this_thread::yield();
    Ask ask = slow(late);
    ask.deadline = Ask::Clock::now() + std::chrono::milliseconds(300);
    scheduler.Submit(std::move(ask));
    EXPECT_EQ(late.get_future().get().end, AskedEnd::kOverdue);
    scheduler.Cancel(work);
    EXPECT_EQ(running.get_future().get().end, AskedEnd::kCancelled);
    scheduler.Cancel(work);
    scheduler.Submit(slow(stopped));
    const auto next = scheduler.Submit(slow(waiting));
    scheduler.Cancel(next);
    EXPECT_EQ(waiting.get_future().get().end, AskedEnd::kCancelled);
    scheduler.Stop();
    scheduler.Submit(slow(after));
    EXPECT_EQ(after.get_future().get().end, AskedEnd::kStopped);
    scheduler.Stop();
  }
  EXPECT_EQ(stopped.get_future().get().end, AskedEnd::kStopped);
}

TEST(Scheduler, LooksAtPicturesWithoutQuestions) {
  SchedulerOptions options;
  options.workers = options.threads = 2;
  options.pixel_bytes = 1;  // no picture is decoded beside one that waits
  Scheduler scheduler(Tiny(), options);
  constexpr size_t kLooks = 12;
  std::vector<std::promise<Asked>> promises(kLooks + 2);
  std::atomic<size_t> right = 0;
  for (size_t i = 0; i < kLooks; ++i) {
    Ask ask = AskAbout("shop.jpg", {}, promises[i]);
    ask.look = [&](const Image& image, const std::function<bool()>& must_end) {
      right += image.width == 570 && image.height == 321 && !must_end();
    };
    scheduler.Submit(std::move(ask));
  }
  Ask refused = AskAbout("shop.jpg", {}, promises[kLooks]);
  refused.look = [](const Image&, const std::function<bool()>&) { throw std::bad_alloc(); };
  scheduler.Submit(std::move(refused));
  scheduler.Submit(AskAbout("shop.jpg", {kQuestions[0]}, promises[kLooks + 1]));
  for (size_t i = 0; i < promises.size(); ++i) {
    const Asked asked = promises[i].get_future().get();
    EXPECT_EQ(asked.end, i == kLooks ? AskedEnd::kFailed : AskedEnd::kAnswered);
    if (i == kLooks) {
      EXPECT_THROW(std::rethrow_exception(asked.failure), std::bad_alloc);
    } else if (i > kLooks) {
      EXPECT_EQ(asked.results[0].front().text, Alone("shop.jpg", kQuestions[0]));
    }
  }
  EXPECT_EQ(right, kLooks);
  EXPECT_EQ(scheduler.load().waiting, 0u);
  EXPECT_EQ(scheduler.load().answering, 0u);
}

TEST(Scheduler, TellsForHowManyAPictureWaits) {
  SchedulerOptions options;
  options.batch = 1;
  Scheduler scheduler(Tiny(), options);
  std::vector<std::promise<Asked>> promises(5);
  Ask slow = AskAbout("shop.jpg", std::vector<Question>(16, kQuestions[0]), promises[0]);
  slow.generation.num_beams = 16;
  slow.generation.min_length = slow.generation.max_length = 250;
  std::vector<Scheduler::WorkPtr> works = {scheduler.Submit(std::move(slow))};
  while (scheduler.load().questions == 0) std::this_thread::yield();
  EXPECT_EQ(scheduler.Ahead(works[0]), std::nullopt);
  for (size_t i = 1; i < promises.size(); ++i) {
    works.push_back(scheduler.Submit(AskAbout("shop.jpg", {kQuestions[0]}, promises[i])));
    EXPECT_EQ(scheduler.Ahead(works[i]), i - 1);
  }
  scheduler.Cancel(works[2]);
  EXPECT_EQ(scheduler.Ahead(works[2]), std::nullopt);
  EXPECT_EQ(scheduler.Ahead(works[4]), 2u);
  scheduler.Cancel(works[0]);
  for (auto& promise : promises) promise.get_future().get();
  EXPECT_EQ(scheduler.Ahead(works[4]), std::nullopt);
}

TEST(Scheduler, CutsAndTellsTokensAsTheyCome) {
  SchedulerOptions options;
  options.threads = 2;
  Scheduler scheduler(Tiny(), options);
  std::promise<Asked> promise;
  Ask ask = AskAbout("shop.jpg", {kQuestions[2]}, promise);
  ask.max_tokens = 5;
  std::vector<std::string> told;
  ask.progress = [&](size_t question, const std::string& text, bool only_grows) {
    EXPECT_EQ(question, 0u);
    EXPECT_TRUE(only_grows);
    told.push_back(text);
  };
  scheduler.Submit(std::move(ask));
  const Asked asked = promise.get_future().get();
  const Result& result = asked.results[0].front();
  EXPECT_EQ(result.token_ids.size(), 5u);
  EXPECT_TRUE(result.truncated);
  ASSERT_EQ(told.size(), 5u);
  EXPECT_EQ(told.back(), result.text);
  EXPECT_EQ(asked.input_tokens[0].front() > Tiny()->info().image_tokens, true);
}

}  // namespace
}  // namespace uffizi
