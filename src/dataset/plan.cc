#include "dataset/plan.h"

#include <algorithm>

#include "core/parallel.h"

namespace uffizi::dataset {

WorkPlan PlanWork(std::optional<size_t> pictures, int threads, int workers) {
  if (threads <= 0) threads = MaxThreads();
  if (workers <= 0) workers = threads;
  if (pictures) {
    workers = static_cast<int>(std::clamp<size_t>(*pictures, 1, static_cast<size_t>(workers)));
  }
  return {workers, std::max(1, threads / workers)};
}

size_t DefaultBatch(const EngineInfo& model, const GenerationOptions& generation, int workers) {
  constexpr size_t kBytes = size_t{1} << 30;
  constexpr size_t kMost = 8;
  // Typical lengths of prompts and answers.
  constexpr size_t kPromptTokens = 50, kAnswerTokens = 100, kBeams = 3;
  const size_t beams = static_cast<size_t>(generation.num_beams.value_or(kBeams));
  const size_t positions =
      static_cast<size_t>(model.image_tokens) + kPromptTokens + beams * kAnswerTokens;
  const size_t layer_bytes = 2 * sizeof(float) * static_cast<size_t>(model.d_model);
  const size_t picture = positions * layer_bytes * static_cast<size_t>(model.decoder_layers);
  return std::clamp<size_t>(kBytes / (picture * static_cast<size_t>(workers)), 1, kMost);
}

}  // namespace uffizi::dataset
