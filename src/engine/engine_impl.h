#ifndef UFFIZI_ENGINE_ENGINE_IMPL_H_
#define UFFIZI_ENGINE_ENGINE_IMPL_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/lora.h"
#include "engine/draft.h"
#include "engine/tile_plan.h"
#include "generate/generation_config.h"
#include "model/florence2.h"
#include "text/tokenizer.h"
#include "uffizi/engine.h"

namespace uffizi {

struct Engine::Impl {
  std::filesystem::path folder;
  EngineOptions options;
  std::shared_ptr<const Network> model;
  Tokenizer tokenizer;
  LocationTokens locations;  // as the tokenizer numbers them
};

struct EncodedImage::Tile {
  TileRect place;
  EncodedImage image;
};

struct Query::Impl {
  EncodedImage image;
  Prompt prompt;
  std::vector<int> input_ids;
  GenerationConfig generation;
  Draft draft;
  RegionFilter filter;
  // For a task that is asked about tiles: one part per tile, and one without a place for the whole
  // picture if that is asked too. Otherwise empty.
  struct Part {
    std::optional<TileRect> place;
    Query query;
  };
  std::vector<Part> parts;
};

// Engine::Load() for internal use.
class EngineLoader {
 public:
  // `statistics`, if given, must outlive the engine: see Florence2::Load().
  static std::shared_ptr<const Engine> Load(const std::filesystem::path& folder,
                                            const EngineOptions& options,
                                            InputStatistics* statistics);
  // The same engine with another network of the same sizes.
  static std::shared_ptr<Engine> WithNetwork(const Engine& engine,
                                             std::shared_ptr<const Network> network);
  static const std::shared_ptr<const Network>& NetworkOf(const Engine& engine);
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ENGINE_IMPL_H_
