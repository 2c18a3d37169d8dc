#ifndef UFFIZI_ENGINE_ENGINE_IMPL_H_
#define UFFIZI_ENGINE_ENGINE_IMPL_H_

#include <filesystem>
#include <memory>
#include <vector>

#include "generate/generation_config.h"
#include "model/florence2.h"
#include "text/tokenizer.h"
#include "uffizi/engine.h"

namespace uffizi {

struct Engine::Impl {
  std::filesystem::path folder;
  EngineOptions options;
  Arithmetic arithmetic;
  std::shared_ptr<const Florence2> model;
  Tokenizer tokenizer;
};

struct Query::Impl {
  EncodedImage image;
  Prompt prompt;
  std::vector<int> input_ids;
  GenerationConfig generation;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ENGINE_IMPL_H_
