#include "engine/calibrate.h"

#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/questions.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

// Tasks of all kinds. Those that take no input answer with words, boxes and letters; the others ask
// about what was found.
constexpr size_t kCaption = 0, kDetailedCaption = 1, kObjects = 2;
const std::vector<Question>& Questions() {
  static const std::vector<Question> questions = {
      {Task::kCaption, ""},
      {Task::kDetailedCaption, ""},
      {Task::kObjectDetection, ""},
      {Task::kOcr, ""},
      {Task::kOcrWithRegion, ""},
      {Task::kPhraseGrounding, "", kCaption},
      {Task::kPhraseGrounding, "", kDetailedCaption},
      {Task::kReferringSegmentation, "", kObjects},
      {Task::kOpenVocabularyDetection, "", kObjects},
      {Task::kRegionToCategory, "", kObjects},
  };
  return questions;
}
constexpr size_t kMostAboutObjects = 2;  // prompts of each question
constexpr int kMaxAnswerTokens = 64;

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

// Asks all questions about a picture, and returns their prompts.
std::vector<Prompt> AskAll(Session& session, const EncodedImage& image) {
  std::vector<AskedPrompt> asked =
      AskInRounds(Questions(), image.width(), image.height(), kMostAboutObjects,
                  [&](std::span<const Prompt> prompts) { return Ask(session, image, prompts); });
  std::vector<Prompt> prompts;
  for (AskedPrompt& one : asked) prompts.push_back(std::move(one.prompt));
  return prompts;
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
      pictures_.push_back({path, image, AskAll(session, image)});
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
