#ifndef UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_
#define UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_

#include <nlohmann/json.hpp>

#include "checkpoint/config.h"

namespace uffizi {

// A config.json in transformers' own spelling, from one in either. `model` is what it says.
nlohmann::json NativeConfig(nlohmann::json config, const ModelConfig& model);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_NATIVE_CONFIG_H_
