#include "engine/calibrate.h"

#include <utility>

#include "engine/engine_impl.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

// Answers in words, in boxes and in letters, so that all kinds of tokens go through the decoder.
constexpr Task kTasks[] = {Task::kDetailedCaption, Task::kObjectDetection, Task::kOcrWithRegion};
constexpr int kMaxAnswerTokens = 64;

}  // namespace

std::map<std::string, std::vector<float>> Calibrate(const std::filesystem::path& folder,
                                                    const std::vector<LoraSource>& lora,
                                                    std::span<const std::filesystem::path> pictures,
                                                    const std::function<void(const Error*)>& seen) {
  InputStatistics statistics;
  EngineOptions options;
  options.compute = Compute::kF32;
  options.lora = lora;
  Session session(EngineLoader::Load(folder, options, &statistics));
  GenerationOptions generation;
  generation.num_beams = 1;
  generation.max_length = kMaxAnswerTokens;
  size_t used = 0;
  for (const std::filesystem::path& path : pictures) {
    try {
      const EncodedImage image = session.Encode(ReadImage(path).view());
      std::vector<Query> queries;
      for (const Task task : kTasks) {
        const Prompt prompt = MakePrompt(task, "", image.width(), image.height());
        queries.push_back(session.engine().MakeQuery(image, prompt, generation));
      }
      session.Run(queries);
      ++used;
      seen(nullptr);
    } catch (const Error& error) {
      seen(&error);
    }
  }
  if (used == 0) {
    throw Error(ErrorCode::kInvalidArgument, "there is no picture to calibrate with");
  }
  std::map<std::string, std::vector<float>> means;
  for (const auto& [name, layer] : statistics) means[name] = layer.Means();
  return means;
}

}  // namespace uffizi
