#ifndef UFFIZI_ENGINE_ACTIVATION_PEAKS_H_
#define UFFIZI_ENGINE_ACTIVATION_PEAKS_H_

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "uffizi/engine.h"

namespace uffizi {

// Above this, what enters a layer has outliers, beside which the rest vanishes in 8 bits unless
// columns are smoothed.
inline constexpr double kPeakToWarnOf = 30;

// Of linear layers, by the weight's transformers-native name: the greatest magnitude of what enters
// over the root mean square, estimated from weights and norms alone. What enters the projector and
// the output layer is not among them. Throws what Engine::Load() throws.
std::map<std::string, double> EstimatePeaks(const std::filesystem::path& folder,
                                            const std::vector<LoraSource>& lora);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ACTIVATION_PEAKS_H_
