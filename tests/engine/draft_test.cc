// Drafts: what they guess, that guesses are used, and that answers have the same bits without them.
#include "engine/draft.h"

#include <gtest/gtest.h>

#include "engine/runner.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

const std::string kRoot = std::string(UFFIZI_TEST_DATA) + "/../..";
const std::string kTiny = kRoot + "/models/uffizi-tiny";

class Guesses : public testing::Test {
 protected:
  Draft Of(Task task, const std::string& input) const {
    return Draft(tokenizer_, {*tokenizer_.TokenToId("<loc_0>"), 1000},
                 MakePrompt(task, input, 100, 100));
  }
  // The guess after each token of an answer that begins with <s>, as text.
  std::vector<std::string> After(Draft draft, const std::string& answer) const {
    std::vector<std::string> guesses;
    std::vector<int> ids = tokenizer_.Encode("<s>" + answer, false);
    for (const int id : ids) {
      draft.Append(id);
      const std::span<const int> guess = draft.Next(2);
      for (const int token : guess) EXPECT_FALSE(tokenizer_.IdToToken(token).empty()) << token;
      guesses.push_back(tokenizer_.Decode(guess));
    }
    return guesses;
  }
  const Tokenizer tokenizer_ = Tokenizer::Load(kTiny);
};

TEST_F(Guesses, PhrasesInTheirOrder) {
  const Draft draft = Of(Task::kPhraseGrounding, "A house, a boat and an apple on gravel.");
  EXPECT_EQ(After(draft, "A house<loc_1><loc_2><loc_3><loc_4>a boat<loc_1>"),
            (std::vector<std::string>{"A house", " house", "", "", "", "", "a boat", " boat and",
                                      " and an", ""}));
}

TEST_F(Guesses, LabelsOfAListWithoutArticles) {
  const Draft draft = Of(Task::kOpenVocabularyDetection, "blue boat ; house");
  EXPECT_EQ(After(draft, "boat<loc_1><loc_2><loc_3><loc_4>"),
            (std::vector<std::string>{"blue boat", "", "", "", "", "house"}));
}

TEST_F(Guesses, AreTokensWhateverThePunctuation) {
  for (const char* input : {"; house", ", a boat", ";; house ,, boat ..", "...", "a", "<and> a"}) {
    SCOPED_TRACE(input);
    Draft draft = Of(Task::kPhraseGrounding, input);
    After(draft, "house<loc_1><loc_2><loc_3><loc_4>boat<loc_1><loc_2><loc_3><loc_4>a, house");
  }
}

TEST_F(Guesses, TheRegion) {
  const Draft draft = Of(Task::kRegionToCategory, "<loc_1><loc_2><loc_3><loc_4>");
  EXPECT_EQ(After(draft, "house<loc_1><loc_2>"),
            (std::vector<std::string>{"<loc_1><loc_2>", "", "<loc_2><loc_3>", "<loc_3><loc_4>"}));
}

TEST_F(Guesses, NothingForTasksWithoutInput) {
  EXPECT_EQ(After(Of(Task::kCaption, ""), "A house"), (std::vector<std::string>{"", "", ""}));
}

struct Asked {
  GenerationConfig generation;
  Draft draft;
  std::vector<float> states;
  size_t tokens;
};

class Drafts : public testing::TestWithParam<std::tuple<Compute, int>> {
 protected:
  void SetUp() override {
    EngineOptions options;
    std::tie(options.compute, options.threads) = GetParam();
    engine_ = Engine::Load(kTiny, options);
    runner_ = std::make_unique<Runner>(engine_);
    runner_->Execute([&] {
      const Image image = ReadImage(kRoot + "/samples/shop.jpg");
      encoded_ = runner_->Encode(image.view());
    });
    Ask(Task::kPhraseGrounding, "A hamburger, a boat, an airplane and a blue mushroom.");
    Ask(Task::kCaption, "");
    Ask(Task::kPhraseGrounding, "There is a boat at the bottom and a mushroom in the center.");
    Ask(Task::kPhraseGrounding, "The mushroom is not an airplane.", 3);
    Ask(Task::kOpenVocabularyDetection, "blue airplane ; mushroom");
  }

  void Ask(Task task, const std::string& input, int beams = 1) {
    GenerationOptions options;
    options.num_beams = beams;
    const Query query = engine_->MakeQuery(
        encoded_, MakePrompt(task, input, encoded_.width(), encoded_.height()), options);
    const Network& network = runner_->network();
    const auto width = static_cast<size_t>(network.config.text.d_model);
    const size_t tokens = encoded_.tokens().size() / width + query.input_ids().size();
    Asked asked{Runner::GenerationOf(query),
                Draft(runner_->tokenizer(), Runner::GenerationOf(query).locations, query.prompt()),
                std::vector<float>(tokens * width), tokens};
    runner_->Execute([&] {
      network.EncodeText(encoded_.tokens().data(), query.input_ids(), asked.states.data(),
                         runner_->arena());
    });
    asked_.push_back(std::move(asked));
  }

  // The answers of these questions, decoded together.
  std::vector<Generated> Answers(std::span<const Asked> questions, bool with_drafts) {
    std::vector<Generated> answers;
    runner_->Execute([&] {
      const Arena::Scope scope(runner_->arena());
      DecodeBatch batch(runner_->network(), runner_->arena());
      for (const Asked& asked : questions) {
        batch.Add(asked.generation, asked.states.data(), asked.tokens,
                  with_drafts ? asked.draft : Draft());
      }
      while (batch.Step()) {
      }
      for (size_t i = 0; i < questions.size(); ++i) {
        EXPECT_EQ(batch.failure(i), nullptr);
        answers.push_back(batch.search(i).result());
      }
      drafted_ = batch.drafted_tokens();
    });
    return answers;
  }

  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<Runner> runner_;
  EncodedImage encoded_;
  std::vector<Asked> asked_;
  size_t drafted_ = 0;  // tokens, in the last Answers()
};

void ExpectSameBits(const Generated& a, const Generated& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.logprobs, b.logprobs);
  EXPECT_EQ(a.truncated, b.truncated);
  ASSERT_EQ(a.spreads.size(), b.spreads.size());
  for (size_t i = 0; i < a.spreads.size(); ++i) EXPECT_EQ(a.spreads[i].within, b.spreads[i].within);
}

TEST_P(Drafts, ChangeNoBit) {
  std::vector<Generated> plain;
  size_t drafted = 0;
  for (const Asked& asked : asked_) {
    plain.push_back(Answers({&asked, 1}, false).front());
    EXPECT_EQ(drafted_, 0u);
    ExpectSameBits(Answers({&asked, 1}, true).front(), plain.back());
    drafted += drafted_;
    if (asked.generation.num_beams > 1) {
      EXPECT_EQ(drafted_, 0u);
    }
  }
  EXPECT_GE(drafted, 8u);
  for (const size_t count : {2u, 5u}) {
    const auto together = Answers(std::span(asked_).first(count), true);
    for (size_t i = 0; i < count; ++i) ExpectSameBits(together[i], plain[i]);
    // Five questions have rows enough, until some are answered.
    if (count == 2) {
      EXPECT_GT(drafted_, 0u);
    } else {
      EXPECT_LT(drafted_, drafted);
    }
  }
}

TEST_P(Drafts, StopAtTheLengthLimit) {
  Asked asked = asked_.front();
  for (asked.generation.max_length = 2; asked.generation.max_length < 12;
       ++asked.generation.max_length) {
    ExpectSameBits(Answers({&asked, 1}, true).front(), Answers({&asked, 1}, false).front());
  }
}

TEST_P(Drafts, AreReportedTokenByToken) {
  Session session(engine_);
  const Prompt prompt = MakePrompt(Task::kPhraseGrounding, "A hamburger, a boat.", 1, 1);
  GenerationOptions options;
  options.num_beams = 1;
  size_t seen = 0;
  session.Run(std::vector{engine_->MakeQuery(encoded_, prompt, options)}, [&](const Progress& now) {
    EXPECT_EQ(now.token_ids.size(), ++seen);
    return true;
  });
  EXPECT_GT(seen, 5u);
}

INSTANTIATE_TEST_SUITE_P(All, Drafts,
                         testing::Combine(testing::Values(Compute::kF32, Compute::kInt4),
                                          testing::Values(1, 2)));

}  // namespace
}  // namespace uffizi
