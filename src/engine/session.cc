#include <utility>

#include "engine/runner.h"
#include "engine/stopwatch.h"
#include "uffizi/engine.h"

namespace uffizi {

struct Session::Impl : Runner {
  using Runner::Runner;
};

Session::Session(std::shared_ptr<const Engine> engine)
    : impl_(std::make_unique<Impl>(std::move(engine))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

const Engine& Session::engine() const { return *impl_->engine(); }

EncodedImage Session::Encode(ImageView image) {
  EncodedImage encoded;
  impl_->Execute([&] { encoded = impl_->Encode(image); });
  return encoded;
}

std::vector<float> Session::Preprocess(ImageView image) {
  std::vector<float> pixels;
  impl_->Execute([&] { pixels = impl_->Preprocess(image); });
  return pixels;
}

EncodedImage Session::EncodePreprocessed(std::span<const float> pixels, int width, int height) {
  EncodedImage encoded;
  impl_->Execute([&] { encoded = impl_->EncodePreprocessed(pixels, width, height); });
  return encoded;
}

EncodedImage Session::Encode(ImageView image, const TileOptions& tiles,
                             const std::function<bool()>& cancelled) {
  EncodedImage encoded;
  impl_->Execute([&] { encoded = impl_->Encode(image, tiles, cancelled); });
  return encoded;
}

std::vector<Result> Session::RunTogether(std::span<const Query> queries,
                                         const ProgressCallback& progress) {
  std::vector<Result> results(queries.size());
  impl_->Execute([&] {
    const Arena::Scope scope(impl_->arena());
    DecodeBatch batch(impl_->network(), impl_->arena());
    std::vector<double> text_seconds(queries.size());
    for (size_t i = 0; i < queries.size(); ++i) {
      const Stopwatch time;
      impl_->Join(queries[i], batch);
      text_seconds[i] = time.Seconds();
    }
    const Stopwatch decode_time;
    std::vector<double> decode_seconds(queries.size(), -1);
    std::vector<size_t> lengths(queries.size(), 1);
    while (batch.Step()) {
      for (size_t i = 0; i < queries.size(); ++i) {
        if (batch.failure(i)) std::rethrow_exception(batch.failure(i));
        if (lengths[i] == batch.length(i)) continue;  // it waited, or is done
        lengths[i] = batch.length(i);
        if (progress) {
          const Generated so_far = batch.search(i).result();
          const std::string text = impl_->tokenizer().Decode(so_far.ids);
          if (!progress({i, so_far.ids, text})) batch.Stop(i);
        }
        if (batch.done(i)) decode_seconds[i] = decode_time.Seconds();
      }
    }
    for (size_t i = 0; i < queries.size(); ++i) {
      results[i] = impl_->MakeResult(queries[i], batch.search(i).result());
      Timings& timings = results[i].timings;
      timings.text_encoder = text_seconds[i];
      timings.decoder = decode_seconds[i];
      timings.total = timings.preprocess + timings.vision_encoder + timings.text_encoder +
                      timings.decoder + timings.parse;
    }
  });
  return results;
}

}  // namespace uffizi
