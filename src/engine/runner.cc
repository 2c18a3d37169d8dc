#include "engine/runner.h"

#include "engine/stopwatch.h"
#include "image/preprocess.h"

namespace uffizi {
namespace {

// The log-probabilities of the location tokens among the ids. Empty if the text spells a location
// without using its token, since there is no score then.
std::vector<float> LocationLogprobs(const Tokenizer& tokenizer, const Generated& generated,
                                    const std::string& text) {
  std::vector<float> logprobs;
  for (size_t i = 0; i < generated.ids.size(); ++i) {
    if (tokenizer.LocationBin(generated.ids[i])) logprobs.push_back(generated.logprobs[i]);
  }
  size_t spelled = 0;
  for (size_t at = text.find("<loc_"); at != std::string::npos; at = text.find("<loc_", at + 1)) {
    ++spelled;
  }
  if (spelled != logprobs.size()) logprobs.clear();
  return logprobs;
}

}  // namespace

Runner::Runner(std::shared_ptr<const Engine> engine) : engine_(std::move(engine)) {}

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
  const Arena::Scope scope(arena_);
  const Stopwatch encode_time;
  std::vector<float> tokens(static_cast<size_t>(config.image_tokens()) *
                            static_cast<size_t>(config.text.d_model));
  network().EncodeImage(pixels.data(), tokens.data(), arena_);
  encoded.tokens_ = std::make_shared<const std::vector<float>>(std::move(tokens));
  encoded.encode_seconds_ = encode_time.Seconds();
  return encoded;
}

size_t Runner::Join(const Query& query, DecodeBatch& batch) {
  const Query::Impl& asked = *query.impl_;
  const auto d_model = static_cast<size_t>(network().config.text.d_model);
  const size_t tokens = asked.image.tokens().size() / d_model + asked.input_ids.size();
  states_.resize(std::max(states_.size(), tokens * d_model));
  network().EncodeText(asked.image.tokens().data(), asked.input_ids, states_.data(), arena_);
  return batch.Add(asked.generation, states_.data(), tokens);
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
  result.answer = ParseAnswer(shape, result.text, result.width, result.height,
                              LocationLogprobs(tokenizer(), generated, result.text));
  result.timings.parse = parse_time.Seconds();
  result.timings.preprocess = asked.image.preprocess_seconds();
  result.timings.vision_encoder = asked.image.encode_seconds();
  return result;
}

}  // namespace uffizi
