#include "engine/calibrate.h"

#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

// Tasks that answer with words, boxes and letters, so that all kinds of tokens go through the
// decoder.
constexpr Task kTasks[] = {Task::kDetailedCaption, Task::kObjectDetection, Task::kOcrWithRegion};
constexpr int kMaxAnswerTokens = 64;

void AskAll(Session& session, const EncodedImage& image) {
  GenerationOptions generation;
  generation.num_beams = 1;
  generation.max_length = kMaxAnswerTokens;
  std::vector<Query> queries;
  for (const Task task : kTasks) {
    const Prompt prompt = MakePrompt(task, "", image.width(), image.height());
    queries.push_back(session.engine().MakeQuery(image, prompt, generation));
  }
  session.Run(queries);
}

}  // namespace

EngineOptions Calibration::Options() const {
  EngineOptions options;
  options.compute = Compute::kF32;
  options.lora = lora_;
  return options;
}

Calibration::Calibration(std::filesystem::path folder, std::vector<LoraSource> lora,
                         std::span<const std::filesystem::path> pictures,
                         const std::function<void(const Error*)>& seen)
    : folder_(std::move(folder)), lora_(std::move(lora)) {
  InputStatistics statistics;
  Session session(EngineLoader::Load(folder_, Options(), &statistics));
  for (const std::filesystem::path& path : pictures) {
    try {
      const EncodedImage image = session.Encode(ReadImage(path).view());
      AskAll(session, image);
      pictures_.push_back(path);
      images_.push_back(image);
      seen(nullptr);
    } catch (const Error& error) {
      seen(&error);
    }
  }
  if (pictures_.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "there is no picture to calibrate with");
  }
  for (const auto& [name, layer] : statistics.layers()) {
    mean_squares_[name] = layer.Means();
    peaks_[name] = layer.PeakOverRms();
  }
}

std::map<std::string, InputProducts> Calibration::Products(
    std::span<const std::string> weights) const {
  const auto in_vision = [](const std::string& name) {
    return name.starts_with("model.vision_tower.");
  };
  const bool vision = std::any_of(weights.begin(), weights.end(), in_vision);
  const bool text = !std::all_of(weights.begin(), weights.end(), in_vision);
  InputStatistics statistics([&](const std::string& name) {
    return std::find(weights.begin(), weights.end(), name) != weights.end();
  });
  Session session(EngineLoader::Load(folder_, Options(), &statistics));
  for (size_t i = 0; i < pictures_.size(); ++i) {
    if (vision) session.Encode(ReadImage(pictures_[i]).view());
    if (text) AskAll(session, images_[i]);
  }
  std::map<std::string, InputProducts> products;
  for (auto& [name, layer] : statistics.layers()) {
    InputProducts taken = layer.TakeProducts();
    if (!taken.products.empty()) products[name] = std::move(taken);
  }
  return products;
}

}  // namespace uffizi
