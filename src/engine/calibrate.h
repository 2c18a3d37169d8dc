#ifndef UFFIZI_ENGINE_CALIBRATE_H_
#define UFFIZI_ENGINE_CALIBRATE_H_

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/input_statistics.h"
#include "uffizi/engine.h"
#include "uffizi/error.h"

namespace uffizi {

// Statistics of the layers' inputs on some pictures, by the weights' transformers-native names. The
// model, with adapters merged, is run in float32 with tasks of all kinds: it captions each picture,
// finds its objects and its text, and then answers questions about what it found.
class Calibration {
 public:
  // Calls `seen` after each picture, with the error if it cannot be read, else null. Throws what
  // Engine::Load() throws, and Error(kInvalidArgument) if none of the pictures can be read.
  Calibration(std::filesystem::path folder, std::vector<LoraSource> lora,
              std::span<const std::filesystem::path> pictures,
              const std::function<void(const Error*)>& seen);

  // Mean squares of each linear layer's input, [columns].
  const std::map<std::string, std::vector<float>>& mean_squares() const { return mean_squares_; }

  // The largest magnitude of each linear layer's input divided by its root mean square.
  const std::map<std::string, double>& peaks() const { return peaks_; }

  // Second moments of the inputs of these layers. Runs the pictures again through the parts of the
  // model that contain them.
  std::map<std::string, InputProducts> Products(std::span<const std::string> weights) const;

 private:
  struct Picture {
    std::filesystem::path path;
    EncodedImage encoded;
    std::vector<Prompt> prompts;
  };

  EngineOptions Options() const;

  std::filesystem::path folder_;
  std::vector<LoraSource> lora_;
  std::vector<Picture> pictures_;  // that can be read
  std::map<std::string, std::vector<float>> mean_squares_;
  std::map<std::string, double> peaks_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_CALIBRATE_H_
