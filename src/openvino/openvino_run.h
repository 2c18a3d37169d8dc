#ifndef UFFIZI_OPENVINO_OPENVINO_RUN_H_
#define UFFIZI_OPENVINO_OPENVINO_RUN_H_

#include <cstdint>
#include <span>
#include <vector>

#include "model/network.h"
#include "openvino/stage.h"

namespace uffizi {

// The artifact's decoder, which has internal caches and takes one token per row. Its rows exist
// from the first step to the last, because the keys and values of cross-attention can be neither
// moved nor removed. A sequence has one row per beam; idle rows repeat a token that is ignored.
class OpenVinoRun : public DecoderRun {
 public:
  OpenVinoRun(const Stage& decoder, size_t d_model, size_t vocab)
      : call_(decoder), d_model_(d_model), vocab_(vocab) {}

  bool joins_late() const override { return false; }
  size_t Add(const float* states, size_t tokens, size_t rows, size_t positions) override;
  void Step(std::span<const DecoderRow> rows, float* logits) override;
  void Drop(size_t) override {}

 private:
  struct Sequence {
    std::vector<float> states;  // [tokens, d_model]
    size_t first_row, rows;
  };

  void Start();

  Stage::Call call_;
  size_t d_model_, vocab_;
  std::vector<Sequence> sequences_;
  size_t rows_ = 0;
  std::vector<float> states_;              // [rows, most tokens, d_model], of all sequences' rows
  std::vector<int64_t> tokens_, parents_;  // [rows]
  std::vector<size_t> slots_;              // of a step's rows
};

}  // namespace uffizi

#endif  // UFFIZI_OPENVINO_OPENVINO_RUN_H_
