#include <algorithm>
#include <chrono>
#include <utility>

#include "core/arena.h"
#include "core/parallel.h"
#include "engine/decode_batch.h"
#include "engine/engine_impl.h"
#include "image/preprocess.h"
#include "uffizi/engine.h"

namespace uffizi {
namespace {

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The log-probabilities of the location tokens among the ids. Empty, so that no score is made up,
// if the text spells a location otherwise than by its token.
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

struct Session::Impl {
  std::shared_ptr<const Engine> engine;
  oneapi::tbb::task_arena threads;
  Arena arena;

  const Engine::Impl& loaded() const { return *engine->impl_; }

  Result MakeResult(const Query::Impl& query, const Generated& generated) const;
};

Session::Session(std::shared_ptr<const Engine> engine) {
  const int threads = engine->impl_->options.threads;
  impl_ = std::unique_ptr<Impl>(
      new Impl{std::move(engine),
               oneapi::tbb::task_arena(threads > 0 ? threads : oneapi::tbb::task_arena::automatic),
               {}});
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Engine& Session::engine() const { return *impl_->engine; }

EncodedImage Session::Encode(ImageView image) {
  const Network& model = *impl_->loaded().model;
  const PreprocessConfig& preprocess = model.config.preprocess;
  EncodedImage encoded;
  encoded.width_ = image.width;
  encoded.height_ = image.height;
  impl_->threads.execute([&] {
    const Arena::Scope scope(impl_->arena);
    const Stopwatch preprocess_time;
    const Image resized = Resize(image, preprocess.width, preprocess.height,
                                 ResampleFilterFromNumber(preprocess.resample));
    float* pixels = impl_->arena.Take<float>(resized.pixels.size());
    Normalize(resized.view(), preprocess.rescale, preprocess.mean, preprocess.std, pixels);
    encoded.preprocess_seconds_ = preprocess_time.Seconds();
    const Stopwatch encode_time;
    std::vector<float> tokens(static_cast<size_t>(model.config.image_tokens()) *
                              static_cast<size_t>(model.config.text.d_model));
    model.EncodeImage(pixels, tokens.data(), impl_->arena);
    encoded.tokens_ = std::make_shared<const std::vector<float>>(std::move(tokens));
    encoded.encode_seconds_ = encode_time.Seconds();
  });
  return encoded;
}

Result Session::Impl::MakeResult(const Query::Impl& query, const Generated& generated) const {
  const Stopwatch parse_time;
  Result result;
  const TaskInfo& task = GetTaskInfo(query.prompt.task);
  result.task = std::string(task.token);
  result.prompt = query.prompt.text;
  result.token_ids = generated.ids;
  result.truncated = generated.truncated;
  result.width = query.image.width();
  result.height = query.image.height();
  const Tokenizer& tokenizer = loaded().tokenizer;
  result.text = tokenizer.Decode(generated.ids);
  result.answer = ParseAnswer(query.prompt.task, result.text, result.width, result.height,
                              LocationLogprobs(tokenizer, generated, result.text));
  result.timings.parse = parse_time.Seconds();
  return result;
}

std::vector<Result> Session::Run(std::span<const Query> queries, const ProgressCallback& progress) {
  std::vector<Result> results(queries.size());
  impl_->threads.execute([&] {
    const Network& model = *impl_->loaded().model;
    const auto d_model = static_cast<size_t>(model.config.text.d_model);
    const auto tokens_of = [&](const Query::Impl& query) {
      return query.image.tokens().size() / d_model + query.input_ids.size();
    };
    size_t most = 0;
    for (const Query& query : queries) most = std::max(most, tokens_of(*query.impl_));
    const Arena::Scope scope(impl_->arena);
    float* states = impl_->arena.Take<float>(most * d_model);
    DecodeBatch batch(model, impl_->arena);
    std::vector<double> text_seconds(queries.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      const Stopwatch time;
      const Query::Impl& query = *queries[i].impl_;
      const size_t tokens = tokens_of(query);
      model.EncodeText(query.image.tokens().data(), query.input_ids, states, impl_->arena);
      batch.Add(query.generation, states, tokens);
      text_seconds[i] = time.Seconds();
    }
    const Stopwatch decode_time;
    std::vector<double> decode_seconds(queries.size(), -1);
    while (batch.Step()) {
      for (size_t i = 0; i < queries.size(); ++i) {
        if (decode_seconds[i] >= 0) continue;
        if (progress) {
          const Generated so_far = batch.search(i).result();
          const std::string text = impl_->loaded().tokenizer.Decode(so_far.ids);
          if (!progress({i, so_far.ids, text})) batch.Stop(i);
        }
        if (batch.done(i)) decode_seconds[i] = decode_time.Seconds();
      }
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      const Query::Impl& query = *queries[i].impl_;
      results[i] = impl_->MakeResult(query, batch.search(i).result());
      Timings& timings = results[i].timings;
      timings.preprocess = query.image.preprocess_seconds();
      timings.vision_encoder = query.image.encode_seconds();
      timings.text_encoder = text_seconds[i];
      timings.decoder = decode_seconds[i];
      timings.total = timings.preprocess + timings.vision_encoder + timings.text_encoder +
                      timings.decoder + timings.parse;
    }
  });
  return results;
}

}  // namespace uffizi
