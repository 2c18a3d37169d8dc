#include "engine/fidelity.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/parallel.h"
#include "engine/answer_agreement.h"
#include "engine/next_token.h"
#include "engine/runner.h"
#include "engine/stopwatch.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

struct ReferenceAnswer {
  std::string text;
  std::vector<int> ids;
  Answer answer;
  std::vector<NextToken> next;  // of each step that is compared
};

}  // namespace

std::optional<double> QuestionFidelity::Loss() const {
  if (has_regions()) return ap50 ? std::optional(100 * (1 - *ap50)) : std::nullopt;
  if (characters == 0) return std::nullopt;
  return 100 * static_cast<double>(edits) / static_cast<double>(characters);
}

double Fidelity::Loss() const {
  double loss = 0;
  for (const QuestionFidelity& question : questions) {
    loss = std::max(loss, question.Loss().value_or(0));
  }
  return loss;
}

struct FidelityReference::Picture {
  std::filesystem::path path;
  // Of each answer: its prompt, and the index of the question that it belongs to.
  std::vector<Prompt> prompts;
  std::vector<size_t> questions;
  std::vector<ReferenceAnswer> answers;
};

// A model that answers questions and is teacher-forced along answers.
class FidelityReference::Follower {
 public:
  Follower(std::shared_ptr<const Engine> engine, const FidelityOptions& options)
      : options_(options), session_(engine), runner_(std::move(engine)) {}

  void Look(const std::filesystem::path& path) {
    const Image picture = ReadImage(path);
    const Stopwatch time;
    Look(session_.Encode(picture.view()));
    seconds_ += time.Seconds();
  }

  // Uses a picture that is already encoded.
  void Look(const EncodedImage& image) { image_ = image; }
  const EncodedImage& image() const { return image_; }

  // Answers questions about the current picture.
  std::vector<Result> Ask(std::span<const Prompt> prompts) {
    SetQueries(prompts);
    const Stopwatch time;
    std::vector<Result> results = session_.Run(queries_);
    seconds_ += time.Seconds();
    return results;
  }

  // Calls visit(prompt, step, logits) for each step along the answers about the current picture,
  // several at a time. A forced first token is not a step, because the model's prediction is not
  // used there.
  template <typename Visit>
  void Follow(std::span<const Prompt> prompts, std::span<const ReferenceAnswer> answers,
              const Visit& visit) {
    SetQueries(prompts);
    runner_.Execute([&] {
      const Arena::Scope scope(runner_.arena());
      const Network& network = runner_.network();
      const auto run = network.StartDecoder(runner_.arena());
      size_t longest = 0;
      for (size_t i = 0; i < answers.size(); ++i) {
        Add(*run, queries_[i], std::max<size_t>(1, answers[i].ids.size()));
        longest = std::max(longest, answers[i].ids.size());
      }
      for (size_t step = 0; step < longest; ++step) Step(*run, answers, step, visit);
    });
  }

  double seconds() const { return seconds_; }

 private:
  void SetQueries(std::span<const Prompt> prompts) {
    queries_.clear();
    for (const Prompt& prompt : prompts) {
      queries_.push_back(session_.engine().MakeQuery(image_, prompt, options_.generation));
    }
  }

  void Add(DecoderRun& run, const Query& query, size_t steps) {
    const Network& network = runner_.network();
    const auto dim = static_cast<size_t>(network.config.text.d_model);
    const size_t tokens = image_.tokens().size() / dim + query.input_ids().size();
    states_.resize(tokens * dim);
    network.EncodeText(image_.tokens().data(), query.input_ids(), states_.data(), runner_.arena());
    run.Add(states_.data(), tokens, 1, steps);
  }

  template <typename Visit>
  void Step(DecoderRun& run, std::span<const ReferenceAnswer> answers, size_t step,
            const Visit& visit) {
    const auto vocab = static_cast<size_t>(runner_.network().config.text.vocab_size);
    std::vector<DecoderRow> rows;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (step >= answers[i].ids.size()) continue;
      const GenerationConfig& generation = Runner::GenerationOf(queries_[i]);
      const int last = step == 0 ? generation.decoder_start_token_id : answers[i].ids[step - 1];
      rows.push_back({i, step == 0 ? -1 : 0, last});
    }
    logits_.resize(rows.size() * vocab);
    run.Step(rows, logits_.data());
    ParallelFor(rows.size(), 1, [&](size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) {
        const size_t prompt = rows[r].sequence;
        const bool forced = Runner::GenerationOf(queries_[prompt]).forced_bos_token_id.has_value();
        if (forced && step == 0) continue;
        visit(prompt, step - (forced ? 1 : 0), std::span(logits_).subspan(r * vocab, vocab));
      }
    });
  }

  const FidelityOptions& options_;
  Session session_;
  Runner runner_;
  EncodedImage image_;
  std::vector<Query> queries_;
  std::vector<float> states_, logits_;
  double seconds_ = 0;
};

FidelityReference::FidelityReference(std::shared_ptr<const Engine> engine,
                                     std::span<const std::filesystem::path> pictures,
                                     FidelityOptions options,
                                     const std::function<void(const Error*)>& seen)
    : options_(std::move(options)) {
  CheckQuestions(options_.questions);
  Follower model(std::move(engine), options_);
  for (const std::filesystem::path& path : pictures) {
    try {
      model.Look(path);
    } catch (const Error& error) {
      seen(&error);
      continue;
    }
    pictures_.push_back(AskAbout(path, model));
    seen(nullptr);
  }
  seconds_ = model.seconds() / static_cast<double>(std::max<size_t>(1, pictures_.size()));
  if (pictures_.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "no picture was given to compare answers on");
  }
}

FidelityReference::~FidelityReference() = default;

// Asks all questions about the model's current picture, and follows the answers.
FidelityReference::Picture FidelityReference::AskAbout(const std::filesystem::path& path,
                                                       Follower& model) const {
  Picture picture{path, {}, {}, {}};
  std::vector<AskedPrompt> asked =
      AskInRounds(options_.questions, model.image().width(), model.image().height(),
                  FidelityOptions::kMostFollowUps,
                  [&](std::span<const Prompt> prompts) { return model.Ask(prompts); });
  for (AskedPrompt& one : asked) {
    Result& result = one.result;
    const size_t steps = result.token_ids.size();
    picture.prompts.push_back(std::move(one.prompt));
    picture.questions.push_back(one.question);
    picture.answers.push_back({std::move(result.text), std::move(result.token_ids),
                               std::move(result.answer), std::vector<NextToken>(steps)});
  }
  model.Follow(picture.prompts, picture.answers,
               [&](size_t prompt, size_t step, std::span<const float> logits) {
                 picture.answers[prompt].next[step] = DescribeNextToken(logits);
               });
  return picture;
}

Fidelity FidelityReference::Compare(const std::shared_ptr<const Engine>& engine,
                                    const std::function<void()>& seen) const {
  Follower model(engine, options_);
  Fidelity fidelity;
  fidelity.pictures = pictures_.size();
  fidelity.questions.resize(options_.questions.size());
  for (size_t q = 0; q < options_.questions.size(); ++q) {
    fidelity.questions[q].name = NameOf(options_.questions, q);
    fidelity.questions[q].shape = ShapeOf(options_.questions[q]);
  }
  std::vector<RegionAgreement> regions(options_.questions.size());
  TokenAgreement tokens;
  for (const Picture& picture : pictures_) {
    model.Look(picture.path);
    const std::vector<Result> results = model.Ask(picture.prompts);
    for (size_t i = 0; i < results.size(); ++i) {
      const ReferenceAnswer& truth = picture.answers[i];
      QuestionFidelity& question = fidelity.questions[picture.questions[i]];
      ++question.answers;
      question.exact += results[i].text == truth.text;
      if (question.has_regions()) {
        regions[picture.questions[i]].Add(truth.answer.regions, results[i].answer.regions,
                                          model.image().width(), model.image().height());
      } else {
        question.edits += EditDistance(truth.answer.text, results[i].answer.text);
        question.characters += CharacterCount(truth.answer.text);
      }
    }
    Lead(model, picture, tokens);
    if (seen) seen();
  }
  for (size_t q = 0; q < regions.size(); ++q) {
    fidelity.questions[q].truths = regions[q].truths();
    fidelity.questions[q].found = regions[q].found();
    fidelity.questions[q].ap50 = regions[q].Ap50();
  }
  fidelity.tokens = tokens.tokens;
  fidelity.same_tokens = tokens.same;
  fidelity.divergence = tokens.mean_divergence();
  fidelity.seconds = model.seconds() / static_cast<double>(pictures_.size());
  return fidelity;
}

std::vector<EncodedImage> FidelityReference::Encode(const std::shared_ptr<const Engine>& engine,
                                                    size_t count) const {
  Follower model(engine, options_);
  std::vector<EncodedImage> images;
  for (const Picture& picture : std::span(pictures_).first(std::min(count, pictures_.size()))) {
    model.Look(picture.path);
    images.push_back(model.image());
  }
  return images;
}

double FidelityReference::Divergence(const std::shared_ptr<const Engine>& engine,
                                     std::span<const EncodedImage> images) const {
  Follower model(engine, options_);
  TokenAgreement tokens;
  for (size_t i = 0; i < images.size(); ++i) {
    model.Look(images[i]);
    Lead(model, pictures_[i], tokens);
  }
  return tokens.mean_divergence();
}

size_t FidelityReference::pictures() const { return pictures_.size(); }

// Adds the agreement of next tokens along the answers about the model's current picture.
void FidelityReference::Lead(Follower& model, const Picture& picture, TokenAgreement& tokens) {
  std::vector<TokenAgreement> parts(picture.answers.size());  // answers are followed in parallel
  model.Follow(picture.prompts, picture.answers,
               [&](size_t prompt, size_t step, std::span<const float> logits) {
                 parts[prompt].Add(picture.answers[prompt].next[step], logits);
               });
  for (const TokenAgreement& part : parts) {
    tokens.tokens += part.tokens;
    tokens.same += part.same;
    tokens.divergence += part.divergence;
  }
}

}  // namespace uffizi
