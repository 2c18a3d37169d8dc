#ifndef UFFIZI_ENGINE_ADAPTERS_H_
#define UFFIZI_ENGINE_ADAPTERS_H_

#include <span>

#include "checkpoint/lora.h"
#include "uffizi/engine.h"

namespace uffizi {

// Reads adapters, which are located as by ResolveModel(). Throws Error: kNotFound, kInvalidModel,
// kUnsupported for a kind of adapter that cannot be merged.
LoraAdapters LoadAdapters(std::span<const LoraSource> sources);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ADAPTERS_H_
