#ifndef UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_
#define UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_

#include <nlohmann/json.hpp>

#include "checkpoint/config.h"

namespace uffizi {

// Converts a config.json with either set of keys to transformers' own. `model` is its parsed
// content.
nlohmann::json NativeConfig(nlohmann::json config, const ModelConfig& model);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_
