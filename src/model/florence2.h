#ifndef UFFIZI_MODEL_FLORENCE2_H_
#define UFFIZI_MODEL_FLORENCE2_H_

#include <filesystem>
#include <memory>
#include <span>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "model/bart.h"
#include "model/davit.h"
#include "model/network.h"

namespace uffizi {

// The network, computed by our own kernels.
struct Florence2 : Network {
  // Merges `adapters`, if given, into the weights. `statistics`, if given, must outlive the model,
  // whose linear layers record their float32 inputs in it. Throws Error(kInvalidModel) naming file
  // and tensor.
  static std::shared_ptr<const Florence2> Load(const std::filesystem::path& folder,
                                               Arithmetic arithmetic = Arithmetic::kF32,
                                               const LoraAdapters* adapters = nullptr,
                                               InputStatistics* statistics = nullptr);

  // Loads an open checkpoint; the config is read from its folder. Throws in the same way.
  static std::shared_ptr<const Florence2> Load(Checkpoint checkpoint, Arithmetic arithmetic,
                                               const LoraAdapters* adapters = nullptr,
                                               InputStatistics* statistics = nullptr);

  // Null if the adapters do more than add products to linear layers and embeddings.
  std::shared_ptr<const Network> WithAdapters(const LoraAdapters& adapters) const override;

  void EncodeImage(const float* pixels, float* tokens, Arena& arena) const override;
  void EncodeText(const float* image_tokens, std::span<const int> ids, float* states,
                  Arena& arena) const override;
  std::unique_ptr<DecoderRun> StartDecoder(Arena& arena) const override;
  void Describe(EngineInfo& info) const override;

  // One decoder step. logits: [rows.size(), vocab_size] f32
  void Decode(std::span<const BartDecoder::Row> rows, float* logits, Arena& arena) const;

  Arithmetic arithmetic = Arithmetic::kF32;
  InputStatistics* statistics = nullptr;
  size_t matrix_parameters = 0, matrix_bytes = 0;  // of its matrices, in memory
  bool shares_weights = false;                     // with the model that it was made from
  size_t product_bytes = 0;                        // of adapters beside the weights
  Checkpoint checkpoint;                           // keeps mapped weights alive
  Davit vision;
  TokenEmbedding embedding;
  BartEncoder encoder;
  BartDecoder decoder;

 private:
  static std::shared_ptr<const Florence2> Build(ModelConfig config, Checkpoint checkpoint,
                                                Arithmetic arithmetic, const LoraAdapters* adapters,
                                                InputStatistics* statistics);
};

// Sets the parameters, their precision and their bytes on disk.
void DescribeCheckpoint(const Checkpoint& checkpoint, EngineInfo& info);

}  // namespace uffizi

#endif  // UFFIZI_MODEL_FLORENCE2_H_
