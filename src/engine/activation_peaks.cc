#include "engine/activation_peaks.h"

#include <algorithm>
#include <cmath>

#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "checkpoint/smoothing.h"
#include "checkpoint/weight_reader.h"
#include "engine/adapters.h"

namespace uffizi {
namespace {

// Deviations from the mean that one of some thousand normally distributed values reaches.
constexpr double kReach = 4;

double PeakOverRms(const ColumnMoments& moments) {
  double peak = 0, squares = 0;
  for (size_t c = 0; c < moments.columns(); ++c) {
    const double mean = std::abs(double{moments.mean[c]}), deviation = double{moments.deviation[c]};
    peak = std::max(peak, mean + kReach * deviation);
    squares += mean * mean + deviation * deviation;
  }
  return squares > 0 ? peak / std::sqrt(squares / static_cast<double>(moments.columns())) : 0;
}

}  // namespace

std::map<std::string, double> EstimatePeaks(const std::filesystem::path& folder,
                                            const std::vector<LoraSource>& lora) {
  const ModelConfig config = LoadModelConfig(folder);
  const Checkpoint checkpoint = Checkpoint::Open(folder);
  const LoraAdapters adapters = LoadAdapters(lora);
  const WeightReader reader(checkpoint, Arithmetic::kF32, adapters.empty() ? nullptr : &adapters);
  Smoothing smoothing(reader, config, {});
  std::map<std::string, double> peaks;
  for (const SmoothingSite& site : smoothing.sites()) {
    if (site.source == SmoothingSite::Source::kPixels) continue;
    const double peak = PeakOverRms(smoothing.InputMoments(site));
    for (const std::string& weight : site.readers) peaks[weight] = peak;
  }
  return peaks;
}

}  // namespace uffizi
