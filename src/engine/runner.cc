#include "engine/runner.h"

#include <optional>

#include "engine/stopwatch.h"
#include "image/preprocess.h"
#include "tasks/answer_token.h"

namespace uffizi {
namespace {

// What the search says of each token. Empty, so that no score is made up, if the text spells a
// location otherwise than by its token.
std::vector<AnswerToken> AnswerTokens(const Tokenizer& tokenizer, const LocationTokens& locations,
                                      const Generated& generated, const std::string& text) {
  std::vector<AnswerToken> tokens;
  auto spread = generated.spreads.begin();
  for (size_t i = 0; i < generated.ids.size(); ++i) {
    const int id = generated.ids[i];
    AnswerToken token{AnswerToken::Kind::kText, generated.logprobs[i], std::nullopt};
    if (locations.Contain(id)) {
      token.kind = AnswerToken::Kind::kLocation;
      token.spread = *spread++;
    } else if (tokenizer.Decode({&id, 1}, /*skip_special_tokens=*/true).empty()) {
      token.kind = AnswerToken::Kind::kSpecial;
    }
    tokens.push_back(token);
  }
  size_t spelled = 0;
  for (size_t at = text.find("<loc_"); at != std::string::npos; at = text.find("<loc_", at + 1)) {
    ++spelled;
  }
  if (spelled != generated.spreads.size()) tokens.clear();
  return tokens;
}

}  // namespace

Runner::Runner(std::shared_ptr<const Engine> engine, std::unique_ptr<Arena> buffers)
    : engine_(std::move(engine)), arena_(std::move(buffers)) {}

oneapi::tbb::task_arena& Runner::Threads() {
  const int wanted = threads_ > 0 ? threads_ : loaded().options.threads;
  auto& arena = arenas_[wanted];
  if (!arena) {
    const int automatic = oneapi::tbb::task_arena::automatic;
    arena = std::make_unique<oneapi::tbb::task_arena>(wanted > 0 ? wanted : automatic);
  }
  return *arena;
}

EncodedImage Runner::Encode(ImageView image) {
  const Stopwatch preprocess_time;
  const std::vector<float> pixels = Preprocess(image);
  const double seconds = preprocess_time.Seconds();
  EncodedImage encoded = EncodePreprocessed(pixels, image.width, image.height);
  encoded.preprocess_seconds_ = seconds;
  return encoded;
}

std::vector<float> Runner::Preprocess(ImageView image) {
  const PreprocessConfig& preprocess = network().config.preprocess;
  const Image resized = Resize(image, preprocess.width, preprocess.height,
                               ResampleFilterFromNumber(preprocess.resample));
  std::vector<float> pixels(resized.pixels.size());
  Normalize(resized.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels.data());
  return pixels;
}

EncodedImage Runner::EncodePreprocessed(std::span<const float> pixels, int width, int height) {
  const ModelConfig& config = network().config;
  const size_t wanted = static_cast<size_t>(config.preprocess.width) *
                        static_cast<size_t>(config.preprocess.height) * 3;
  if (pixels.size() != wanted) {
    throw Error(ErrorCode::kInvalidArgument,
                "a preprocessed picture has " + std::to_string(config.preprocess.height) + " x " +
                    std::to_string(config.preprocess.width) + " x 3 numbers, not " +
                    std::to_string(pixels.size()));
  }
  EncodedImage encoded;
  encoded.width_ = width;
  encoded.height_ = height;
  const Arena::Scope scope(*arena_);
  const Stopwatch encode_time;
  std::vector<float> tokens(static_cast<size_t>(config.image_tokens()) *
                            static_cast<size_t>(config.text.d_model));
  network().EncodeImage(pixels.data(), tokens.data(), *arena_);
  encoded.tokens_ = std::make_shared<const std::vector<float>>(std::move(tokens));
  encoded.encode_seconds_ = encode_time.Seconds();
  return encoded;
}

size_t Runner::Join(const Query& query, DecodeBatch& batch) {
  const Query::Impl& asked = *query.impl_;
  const auto d_model = static_cast<size_t>(network().config.text.d_model);
  const size_t tokens = asked.image.tokens().size() / d_model + asked.input_ids.size();
  states_.resize(std::max(states_.size(), tokens * d_model));
  network().EncodeText(asked.image.tokens().data(), asked.input_ids, states_.data(), *arena_);
  return batch.Add(asked.generation, states_.data(), tokens, asked.draft);
}

const GenerationConfig& Runner::GenerationOf(const Query& query) { return query.impl_->generation; }

Result Runner::MakeResult(const Query& query, const Generated& generated) const {
  const Query::Impl& asked = *query.impl_;
  const Stopwatch parse_time;
  Result result;
  const TaskInfo& task = GetTaskInfo(asked.prompt.task);
  result.task = std::string(task.token);
  result.prompt = asked.prompt.text;
  result.token_ids = generated.ids;
  result.token_logprobs = generated.logprobs;
  result.truncated = generated.truncated;
  result.width = asked.image.width();
  result.height = asked.image.height();
  result.text = tokenizer().Decode(generated.ids);
  const Task shape = asked.prompt.answer_as.value_or(asked.prompt.task);
  result.answer =
      ParseAnswer(shape, result.text, result.width, result.height,
                  AnswerTokens(tokenizer(), asked.generation.locations, generated, result.text));
  FilterRegions(asked.filter, result.answer);
  result.timings.parse = parse_time.Seconds();
  result.timings.preprocess = asked.image.preprocess_seconds();
  result.timings.vision_encoder = asked.image.encode_seconds();
  return result;
}

}  // namespace uffizi
