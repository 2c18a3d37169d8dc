// What the decoder's steps cost in relation to each other: three beams to greedy search, and
// answers with drafts to the same without. All in turn, in the CPU time of one thread, medians of
// the ratios. Answers are prescribed, so that a model of random weights shows what a trained one
// would take; its folder must have the released models' tokenizer for their numbers of tokens.
//
//   decoder_steps MODEL [ROUNDS]

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "engine/decode_batch.h"
#include "model/florence2.h"
#include "text/tokenizer.h"

namespace uffizi {
namespace {

constexpr int kTokens = 50;  // of an answer that is not prescribed
constexpr size_t kPromptTokens = 14;

double CpuMilliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// A network whose logits favour the tokens of an answer, if there is one.
struct Prescribed : Network {
  explicit Prescribed(std::shared_ptr<const Network> real)
      : Network(real->config), network(std::move(real)) {}

  class Run : public DecoderRun {
   public:
    Run(const Prescribed& owner, std::unique_ptr<DecoderRun> run)
        : owner_(owner), run_(std::move(run)) {}
    bool joins_late() const override { return run_->joins_late(); }
    bool takes_drafts() const override { return run_->takes_drafts(); }
    size_t Add(const float* states, size_t tokens, size_t rows, size_t positions) override {
      return run_->Add(states, tokens, rows, positions);
    }
    void Drop(size_t sequence) override { run_->Drop(sequence); }
    void Step(std::span<const DecoderRow> rows, float* logits) override {
      run_->Step(rows, logits);
      ++owner_.steps;
      if (owner_.answer.empty()) return;
      std::vector<size_t> positions;
      for (const DecoderRow& row : rows) {
        const bool drafted = row.parent == DecoderRow::kRowBefore;
        positions.push_back(drafted          ? positions.back() + 1
                            : row.parent < 0 ? 0
                                             : positions_[static_cast<size_t>(row.parent)] + 1);
        const size_t at = std::min(positions.back(), owner_.answer.size() - 1);
        logits[static_cast<size_t>(owner_.answer[at])] = 1e4f;
        logits += owner_.config.text.vocab_size;
      }
      positions_ = positions;
    }

   private:
    const Prescribed& owner_;
    std::unique_ptr<DecoderRun> run_;
    std::vector<size_t> positions_;  // of the last step's rows
  };

  void EncodeImage(const float*, float*, Arena&) const override {}
  void EncodeText(const float* image, std::span<const int> ids, float* states,
                  Arena& arena) const override {
    network->EncodeText(image, ids, states, arena);
  }
  std::unique_ptr<DecoderRun> StartDecoder(Arena& arena) const override {
    return std::make_unique<Run>(*this, network->StartDecoder(arena));
  }
  void Describe(EngineInfo& info) const override { network->Describe(info); }

  std::shared_ptr<const Network> network;
  std::vector<int> answer;
  mutable size_t steps = 0;
};

class Bench {
 public:
  Bench(const std::string& folder, int rounds)
      : network_(Florence2::Load(folder, Arithmetic::kInt4)),
        tokenizer_(Tokenizer::Load(folder)),
        rounds_(rounds) {
    const auto width = static_cast<size_t>(network_.config.text.d_model);
    const auto image_tokens = static_cast<size_t>(network_.config.image_tokens());
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> image(image_tokens * width);
    for (float& value : image) value = normal(random);
    tokens_ = image_tokens + kPromptTokens;
    states_.resize(tokens_ * width);
    network_.EncodeText(image.data(), std::vector<int>(kPromptTokens, 5), states_.data(), arena_);
  }

  void CompareBeams() {
    GenerationConfig config = network_.config.generation;
    config.num_beams = 1;
    config.no_repeat_ngram_size = 0;
    config.forced_bos_token_id.reset();
    config.min_length = config.max_length = kTokens + 1;
    GenerationConfig beams = config;
    beams.num_beams = 3;
    Compare("three beams to greedy", {config, {}}, {beams, {}});
  }

  void CompareDrafts(const char* name, Task task, const std::string& input,
                     const std::string& answer) {
    network_.answer = tokenizer_.Encode(answer);
    GenerationConfig config = network_.config.generation;
    config.num_beams = 1;
    const LocationTokens locations{tokenizer_.TokenToId("<loc_0>").value(), 1000};
    const Draft draft(tokenizer_, locations, MakePrompt(task, input, 1000, 1000));
    Compare(name, {config, {}}, {config, draft});
  }

 private:
  struct Way {
    GenerationConfig config;
    Draft draft;
  };

  double Time(const Way& way) {
    const Arena::Scope scope(arena_);
    DecodeBatch batch(network_, arena_);
    batch.Add(way.config, states_.data(), tokens_, way.draft);
    network_.steps = 0;
    const double begin = CpuMilliseconds();
    while (batch.Step()) {
    }
    return CpuMilliseconds() - begin;
  }

  void Compare(const char* name, const Way& one, const Way& other) {
    std::vector<double> ratios, first, second;
    size_t steps = 0, others = 0;
    for (int i = 0; i < rounds_; ++i) {
      first.push_back(Time(one));
      steps = network_.steps;
      second.push_back(Time(other));
      others = network_.steps;
      ratios.push_back(second.back() / first.back());
    }
    std::printf("%-28s %3zu steps, %6.1f ms -> %3zu steps, %6.1f ms: %.2f\n", name, steps,
                Median(first), others, Median(second), Median(ratios));
  }

  Prescribed network_;
  Tokenizer tokenizer_;
  int rounds_;
  Arena arena_;
  size_t tokens_ = 0;
  std::vector<float> states_;
};

void Measure(const std::string& folder, int rounds) {
  Bench bench(folder, rounds);
  bench.CompareBeams();
  const std::string a = "<loc_54><loc_375><loc_906><loc_707>",
                    b = "<loc_1><loc_0><loc_998><loc_633>";
  bench.CompareDrafts("grounding a caption", Task::kPhraseGrounding,
                      "A green car parked in front of a yellow building.",
                      "A green car" + a + "a yellow building" + b);
  bench.CompareDrafts("grounding a description", Task::kPhraseGrounding,
                      "The image shows a blue Volkswagen Beetle parked in front of a yellow "
                      "building with two brown doors, surrounded by trees and a clear blue sky.",
                      "a blue Volkswagen Beetle" + a + "a yellow building" + b + "two brown doors" +
                          b + a + "trees" + a + "a clear blue sky" + b);
  bench.CompareDrafts("open vocabulary", Task::kOpenVocabularyDetection, "a green car",
                      "a green car" + a);
  bench.CompareDrafts("category of a region", Task::kRegionToCategory, a, "car" + a);
}

}  // namespace
}  // namespace uffizi

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  oneapi::tbb::task_arena(1).execute(
      [&] { uffizi::Measure(argv[1], argc > 2 ? std::atoi(argv[2]) : 7); });
}
