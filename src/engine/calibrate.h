#ifndef UFFIZI_ENGINE_CALIBRATE_H_
#define UFFIZI_ENGINE_CALIBRATE_H_

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/error.h"

namespace uffizi {

// Runs the model, adapters merged, in float32 over pictures, with a few tasks, and gives the mean
// squares of what enters each linear layer, [columns], by the weight's transformers-native name.
// Calls `seen` after each picture, with the error of one that cannot be read, else null. Throws
// what Engine::Load() throws, and Error(kInvalidArgument) if none of the pictures can be read.
std::map<std::string, std::vector<float>> Calibrate(const std::filesystem::path& folder,
                                                    const std::vector<LoraSource>& lora,
                                                    std::span<const std::filesystem::path> pictures,
                                                    const std::function<void(const Error*)>& seen);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_CALIBRATE_H_
