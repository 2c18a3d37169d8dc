#ifndef UFFIZI_MODEL_FLORENCE2_H_
#define UFFIZI_MODEL_FLORENCE2_H_

#include <filesystem>
#include <memory>
#include <span>

#include "model/bart.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/davit.h"

namespace uffizi {

// The whole network, constant after loading and shared by all sessions.
struct Florence2 {
  // Merges `adapters`, if given, into the weights. `statistics`, if given, must outlive the model,
  // whose linear layers add to it what enters them in float32. Throws Error(kInvalidModel) naming
  // file and tensor.
  static std::shared_ptr<const Florence2> Load(const std::filesystem::path& folder,
                                               Arithmetic arithmetic = Arithmetic::kF32,
                                               const LoraAdapters* adapters = nullptr,
                                               InputStatistics* statistics = nullptr);

  // States for the decoder: the picture's tokens followed by the prompt's, through the encoder.
  // image_tokens: [config.image_tokens(), d_model] f32
  // states: [config.image_tokens() + ids.size(), d_model] f32
  void EncodeText(const float* image_tokens, std::span<const int> ids, float* states,
                  Arena& arena) const;

  // One decoder step. logits: [rows.size(), vocab_size] f32
  void Decode(std::span<const BartDecoder::Row> rows, SelfCache& cache, float* logits,
              Arena& arena) const;

  ModelConfig config;
  size_t matrix_parameters = 0, matrix_bytes = 0;  // of its matrices, in memory
  Checkpoint checkpoint;                           // keeps mapped weights alive
  Davit vision;
  TokenEmbedding embedding;
  BartEncoder encoder;
  BartDecoder decoder;
};

}  // namespace uffizi

#endif  // UFFIZI_MODEL_FLORENCE2_H_
