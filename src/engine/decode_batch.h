#ifndef UFFIZI_ENGINE_DECODE_BATCH_H_
#define UFFIZI_ENGINE_DECODE_BATCH_H_

#include <memory>
#include <optional>
#include <vector>

#include "core/arena.h"
#include "generate/search.h"
#include "model/florence2.h"

namespace uffizi {

// Sequences that are decoded together. Each step runs the rows (beams) of all of them through the
// decoder at once, so that the weights are read once for all. Sequences join before the first step
// and leave when they are done; none influences another's answer.
class DecodeBatch {
 public:
  // What is added lies in the arena: no scope that was open before may end while the batch lives.
  DecodeBatch(const Florence2& model, Arena& arena) : model_(model), arena_(arena) {}

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
    std::unique_ptr<const CrossCache> cross;  // rows point at it while sequences move
    size_t first_slot = 0, slot_count = 0;
    size_t first_row = 0;                     // of its rows in the step
    std::vector<std::vector<int>> histories;  // of each row of the last step: slots by position
    bool active = true;
  };

  void Finish(Sequence& sequence);

  const Florence2& model_;
  Arena& arena_;
  std::vector<Sequence> sequences_;
  std::optional<SelfCache> cache_;
  size_t slots_ = 0;
  size_t max_positions_ = 0;
  std::vector<BartDecoder::Row> rows_;
  std::vector<float> logits_;
  std::vector<std::vector<int>> next_histories_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_DECODE_BATCH_H_
