#ifndef UFFIZI_MODEL_FLORENCE2_RUN_H_
#define UFFIZI_MODEL_FLORENCE2_RUN_H_

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/arena.h"
#include "model/florence2.h"
#include "model/network.h"

namespace uffizi {

// The decoder's caches for some sequences: each step runs the rows of all of them at once, so that
// the weights are read once for all. Sequences do not influence each other; they can be added and
// dropped between steps.
class Florence2Run : public DecoderRun {
 public:
  Florence2Run(const Florence2& model, Arena& arena) : model_(model), arena_(arena) {}

  bool joins_late() const override { return true; }
  bool takes_drafts() const override { return true; }
  size_t Add(const float* states, size_t tokens, size_t rows, size_t positions) override;
  void Step(std::span<const DecoderRow> rows, float* logits) override;
  void Drop(size_t sequence) override;

 private:
  // Never moves, since rows point into it. Its memory is reused by the next sequence with that
  // number.
  struct Sequence {
    bool used = false;
    Arena memory;  // of the cross cache
    std::optional<Arena::Scope> scope;
    CrossCache cross;
    std::unique_ptr<SelfCache> self;
    std::vector<std::vector<int>> histories;  // of each row of the last step: slots by position
  };

  const Florence2& model_;
  Arena& arena_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  std::vector<BartDecoder::Row> rows_;
  std::vector<std::vector<int>> next_histories_;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_FLORENCE2_RUN_H_
