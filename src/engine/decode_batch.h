#ifndef UFFIZI_ENGINE_DECODE_BATCH_H_
#define UFFIZI_ENGINE_DECODE_BATCH_H_

#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "core/arena.h"
#include "engine/draft.h"
#include "generate/search.h"
#include "model/network.h"

namespace uffizi {

// Sequences that are decoded together: a step runs the rows (beams) of all or some of them through
// the decoder at once. Sequences can be added and removed between steps, and do not influence each
// other's answers.
//
// If a sequence of one row has a draft and the step has few rows, the draft's next tokens run as
// further rows, each continuing the one before (speculative decoding, arXiv 2211.17192). As long as
// the search chooses them, the logits of its next steps are known. A row's logits do not depend on
// others in the step, so answers and their scores have the same bits as without a draft.
class DecodeBatch {
 public:
  // The batch keeps its state in the arena, so no scope that is already open may end while the
  // batch lives.
  DecodeBatch(const Network& model, Arena& arena)
      : vocab_(static_cast<size_t>(model.config.text.vocab_size)),
        decoder_(model.StartDecoder(arena)) {}

  // Whether a sequence may be added now.
  bool may_add() const { return !started_ || decoder_->joins_late(); }
  // Adds a sequence; `states` are its encoder states, [tokens, d_model] f32, needed only during the
  // call. Returns its index, the smallest that is free.
  size_t Add(const GenerationConfig& config, const float* states, size_t tokens, Draft draft = {});

  // Runs one step for these sequences, whose indices must be in ascending order and which must not
  // be done. If drafts have given some of them their next logits, only these advance, at once. A
  // search that fails, because of logits that are not finite, is then done and has a failure. If
  // Step() throws, none of these sequences can continue.
  void Step(std::span<const size_t> indices);
  // Runs one step for all sequences that are not done. Returns false if there was nothing to do.
  bool Step();

  const Search& search(size_t index) const { return *sequences_[index].search; }
  bool done(size_t index) const { return !sequences_[index].active; }
  std::exception_ptr failure(size_t index) const { return sequences_[index].failure; }
  // Tokens so far, the decoder's start token included.
  size_t length(size_t index) const { return sequences_[index].length; }
  // Tokens of drafts that searches chose.
  size_t drafted_tokens() const { return drafted_tokens_; }
  // Ends a sequence; its answer so far remains available.
  void Stop(size_t index);
  // Frees its index.
  void Remove(size_t index);

 private:
  struct Sequence {
    std::unique_ptr<Search> search;  // null: the index is free
    size_t max_length = 0;
    size_t length = 1;     // tokens, the decoder's start token included
    size_t first_row = 0;  // of its rows in the decoder's last step
    bool active = false;
    std::exception_ptr failure;
    Draft draft;
    std::vector<int> drafted;   // tokens of the draft in the decoder's last step
    size_t chosen = 0;          // of these, how many the search has chosen so far
    std::vector<float> logits;  // [drafted.size(), vocab], if any was chosen
    bool knows_logits = false;  // those of its next step: they follow the last chosen token
  };

  void RunDecoder(std::span<const size_t> indices);
  void AddRows(size_t index, size_t most_drafted);
  void Advance(Sequence& sequence);

  size_t vocab_;
  std::unique_ptr<DecoderRun> decoder_;
  bool started_ = false;
  std::vector<Sequence> sequences_;
  std::vector<size_t> all_, knowing_;
  std::vector<DecoderRow> rows_;
  std::vector<float> logits_;
  size_t drafted_tokens_ = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_DECODE_BATCH_H_
