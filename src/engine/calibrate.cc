#include "engine/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/engine_impl.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

constexpr int kMaxAnswerTokens = 64;
constexpr size_t kMaxSegmented = 2;

// Questions that need no input, whose answers have words, boxes and letters.
constexpr Task kFirstTasks[] = {Task::kCaption, Task::kDetailedCaption, Task::kOcr,
                                Task::kOcrWithRegion, Task::kObjectDetection};

std::vector<Prompt> FirstPrompts(const EncodedImage& image) {
  std::vector<Prompt> prompts;
  for (const Task task : kFirstTasks) {
    prompts.push_back(MakePrompt(task, "", image.width(), image.height()));
  }
  return prompts;
}

// Questions about what is in the picture, as the answers to FirstPrompts() say: captions to
// ground, things to segment and to find, and a region to name.
std::vector<Prompt> FurtherPrompts(const EncodedImage& image, std::span<const Result> answers) {
  std::vector<Prompt> prompts;
  const auto ask = [&](Task task, const std::string& input) {
    if (input.find_first_not_of(' ') == std::string::npos) return;
    prompts.push_back(MakePrompt(task, input, image.width(), image.height()));
  };
  ask(Task::kPhraseGrounding, answers[0].answer.text);
  ask(Task::kPhraseGrounding, answers[1].answer.text);
  std::set<std::string> things;
  for (const Region& region : answers.back().answer.regions) {
    if (things.size() == kMaxSegmented) break;
    if (!things.insert(region.label).second) continue;
    ask(Task::kReferringSegmentation, region.label);
    if (things.size() > 1) continue;
    ask(Task::kOpenVocabularyDetection, region.label);
    const auto& [x1, y1, x2, y2] = region.box;
    ask(Task::kRegionToCategory, fmt::format("{},{},{},{}", x1, y1, x2, y2));
  }
  return prompts;
}

std::vector<Result> Ask(Session& session, const EncodedImage& image,
                        std::span<const Prompt> prompts) {
  GenerationOptions generation;
  generation.num_beams = 1;
  generation.max_length = kMaxAnswerTokens;
  std::vector<Query> queries;
  for (const Prompt& prompt : prompts) {
    queries.push_back(session.engine().MakeQuery(image, prompt, generation));
  }
  return session.Run(queries);
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
      std::vector<Prompt> prompts = FirstPrompts(image);
      const std::vector<Prompt> further = FurtherPrompts(image, Ask(session, image, prompts));
      Ask(session, image, further);
      prompts.insert(prompts.end(), further.begin(), further.end());
      pictures_.push_back({path, image, std::move(prompts)});
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
  for (const Picture& picture : pictures_) {
    if (vision) session.Encode(ReadImage(picture.path).view());
    if (text) Ask(session, picture.encoded, picture.prompts);
  }
  std::map<std::string, InputProducts> products;
  for (auto& [name, layer] : statistics.layers()) {
    InputProducts taken = layer.TakeProducts();
    if (!taken.products.empty()) products[name] = std::move(taken);
  }
  return products;
}

}  // namespace uffizi
