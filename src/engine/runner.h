#ifndef UFFIZI_ENGINE_RUNNER_H_
#define UFFIZI_ENGINE_RUNNER_H_

#include <oneapi/tbb/task_arena.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/arena.h"
#include "engine/decode_batch.h"
#include "engine/engine_impl.h"
#include "uffizi/engine.h"

namespace uffizi {

// The buffers and threads behind a session, or one worker of a scheduler; used by one thread at a
// time.
class Runner {
 public:
  explicit Runner(std::shared_ptr<const Engine> engine,
                  std::unique_ptr<Arena> buffers = std::make_unique<Arena>());

  const std::shared_ptr<const Engine>& engine() const { return engine_; }
  const Network& network() const { return *loaded().model; }
  const Tokenizer& tokenizer() const { return loaded().tokenizer; }
  Arena& arena() { return *arena_; }

  // Buffers may be exchanged between calls. Without any, nothing can be executed.
  bool has_buffers() const { return arena_ != nullptr; }
  void SetBuffers(std::unique_ptr<Arena> buffers) { arena_ = std::move(buffers); }
  std::unique_ptr<Arena> TakeBuffers() { return std::move(arena_); }

  // Sets the number of threads for Execute(); 0 for that of the engine's options.
  void SetThreads(int threads) { threads_ = threads; }
  // Calls body() with these threads for its ParallelFor.
  template <typename Body>
  void Execute(const Body& body) {
    Threads().execute(body);
  }

  // Call these within Execute().
  EncodedImage Encode(ImageView image);
  // Also encodes tiles, like Session::Encode().
  EncodedImage Encode(ImageView image, const TileOptions& tiles,
                      const std::function<bool()>& cancelled);
  // The two halves of Encode(): see Session.
  std::vector<float> Preprocess(ImageView image);
  EncodedImage EncodePreprocessed(std::span<const float> pixels, int width, int height);
  // Puts a query through the text encoder and adds it to the batch. Returns its index there.
  size_t Join(const Query& query, DecodeBatch& batch);
  Result MakeResult(const Query& query, const Generated& generated) const;

  // For a query about tiles: the queries about each, whose results are merged. Empty for others.
  static std::vector<Query> PartsOf(const Query& query);
  static Result Merge(const Query& query, std::vector<Result> parts);

  static const GenerationConfig& GenerationOf(const Query& query);

 private:
  const Engine::Impl& loaded() const { return *engine_->impl_; }
  oneapi::tbb::task_arena& Threads();

  const std::shared_ptr<const Engine> engine_;
  int threads_ = 0;
  std::map<int, std::unique_ptr<oneapi::tbb::task_arena>> arenas_;  // by their threads
  std::unique_ptr<Arena> arena_;
  std::vector<float> states_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_RUNNER_H_
