#ifndef UFFIZI_MODEL_NETWORK_H_
#define UFFIZI_MODEL_NETWORK_H_

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "checkpoint/config.h"
#include "core/arena.h"
#include "uffizi/engine.h"

namespace uffizi {

class LoraAdapters;

// One row of a decoder step: a beam, or a token of a draft. The rows of one sequence are adjacent.
struct DecoderRow {
  // A parent: the row continues the row before it in the same step, if the run takes_drafts().
  static constexpr int kRowBefore = -2;

  size_t sequence;  // the number that DecoderRun::Add() returned
  int parent;       // the row of that sequence's previous step whose past it continues; -1 at first
  int token;
};

// A decoder run over some sequences, with their state.
class DecoderRun {
 public:
  virtual ~DecoderRun() = default;

  // Whether a sequence may be added after the first step.
  virtual bool joins_late() const = 0;

  // Whether a step can have several successive tokens of a sequence.
  virtual bool takes_drafts() const { return false; }

  // Adds a sequence of at most `rows` rows a step, those of drafts not counted, and `positions`
  // tokens, and returns its number: the smallest free one. states: [tokens, d_model] f32, needed
  // only during the call
  virtual size_t Add(const float* states, size_t tokens, size_t rows, size_t positions) = 0;

  // Runs one step of the sequences that have rows here; the others are not changed. If it throws,
  // the sequences that had rows can only be dropped. logits: [rows.size(), vocab_size] f32
  virtual void Step(std::span<const DecoderRow> rows, float* logits) = 0;

  // Ends a sequence and frees its number.
  virtual void Drop(size_t sequence) = 0;
};

// The whole network, independent of the engine that computes it: constant after loading and shared
// by all sessions.
struct Network {
  Network() = default;
  explicit Network(ModelConfig sizes) : config(std::move(sizes)) {}
  virtual ~Network() = default;

  // pixels: [height, width, 3] f32, normalized, of the size in the preprocessor's config
  // tokens: [config.image_tokens(), d_model] f32
  virtual void EncodeImage(const float* pixels, float* tokens, Arena& arena) const = 0;

  // States for the decoder: the picture's tokens followed by the prompt's, through the encoder.
  // image_tokens: [config.image_tokens(), d_model] f32
  // states: [config.image_tokens() + ids.size(), d_model] f32
  virtual void EncodeText(const float* image_tokens, std::span<const int> ids, float* states,
                          Arena& arena) const = 0;

  // The run may keep its state in the arena, so no scope that is already open may end while the run
  // lives. The network must outlive it.
  virtual std::unique_ptr<DecoderRun> StartDecoder(Arena& arena) const = 0;

  // The same network with adapters beside its weights, which it shares. Null if they must be
  // merged. Throws Error(kInvalidModel) if the network does not have a tensor that they change.
  virtual std::shared_ptr<const Network> WithAdapters(const LoraAdapters&) const { return nullptr; }

  // Sets the members that depend on weights and arithmetic: compute, kernels, precision,
  // parameters, bytes.
  virtual void Describe(EngineInfo& info) const = 0;

  ModelConfig config;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_NETWORK_H_
