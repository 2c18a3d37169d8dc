#ifndef UFFIZI_ENGINE_DECODE_BATCH_H_
#define UFFIZI_ENGINE_DECODE_BATCH_H_

#include <memory>
#include <vector>

#include "core/arena.h"
#include "generate/search.h"
#include "model/network.h"

namespace uffizi {

// Sequences that are decoded together: each step takes the rows (beams) of all of them through the
// decoder at once. Sequences join before the first step and leave when they are done; none
// influences another's answer.
class DecodeBatch {
 public:
  // What is added lies in the arena: no scope that was open before may end while the batch lives.
  DecodeBatch(const Network& model, Arena& arena)
      : vocab_(static_cast<size_t>(model.config.text.vocab_size)),
        decoder_(model.StartDecoder(arena)) {}

  // Adds a sequence; `states` are its encoder states, [tokens, d_model] f32, needed only during the
  // call. Returns its index.
  size_t Add(const GenerationConfig& config, const float* states, size_t tokens);

  // Runs one step for all sequences. Returns false when there was nothing left to do.
  bool Step();

  const Search& search(size_t index) const { return *sequences_[index].search; }
  bool done(size_t index) const { return !sequences_[index].active; }
  // Takes a sequence out before it is done.
  void Stop(size_t index);

 private:
  struct Sequence {
    std::unique_ptr<Search> search;
    size_t first_row = 0;  // of its rows in the step
    bool active = true;
  };

  size_t vocab_;
  std::unique_ptr<DecoderRun> decoder_;
  std::vector<Sequence> sequences_;
  std::vector<DecoderRow> rows_;
  std::vector<float> logits_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_DECODE_BATCH_H_
