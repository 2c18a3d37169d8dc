#ifndef UFFIZI_ENGINE_ADAPTERS_H_
#define UFFIZI_ENGINE_ADAPTERS_H_

#include <span>

#include "checkpoint/lora.h"
#include "uffizi/engine.h"

namespace uffizi {

// Reads adapters, found as ResolveModel finds models. Throws Error: kNotFound, kInvalidModel,
// kUnsupported for one of a kind that cannot be merged.
LoraAdapters LoadAdapters(std::span<const LoraSource> sources);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ADAPTERS_H_
