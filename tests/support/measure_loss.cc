// measure_loss MODEL [--group-size N] [--parts] [--folder FOLDER]... [PICTURE...]
//
// What narrow arithmetic costs a model: the cosine of image tokens, encoder states and logits with
// those of float32, and how often the likeliest next token is the same. The model answers a few
// prompts greedily in float32, and every other computation is led along these answers. Measured are
// 4-bit arithmetic on the model itself, on folders that were quantized from it, and, with --parts,
// float32 arithmetic where only one kind of matrices is rounded to 8 or 4 bits. Without pictures,
// test patterns are used.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "image/preprocess.h"
#include "kernels/quantize.h"
#include "model/florence2.h"
#include "support/cosine.h"
#include "support/files.h"
#include "support/random_model.h"
#include "text/tokenizer.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxTokens = 40;  // of an answer
constexpr Task kTasks[] = {Task::kDetailedCaption, Task::kObjectDetection, Task::kOcrWithRegion};

// One picture and prompt, and what was computed of it.
struct Trace {
  const Image* image;
  std::vector<int> prompt, answer;
  std::vector<float> tokens, states, logits;
};

std::vector<float> Pixels(const Image& image, const PreprocessConfig& config) {
  const Image resized =
      Resize(image.view(), config.width, config.height, ResampleFilterFromNumber(config.resample));
  std::vector<float> pixels(resized.pixels.size());
  Normalize(resized.view(), config.rescale, config.mean, config.std, pixels.data());
  return pixels;
}

// Fills in what the model computes. An answer that is there is followed, else the likeliest taken.
void Compute(const Florence2& model, Trace& trace) {
  Arena arena;
  const auto dim = static_cast<size_t>(model.config.text.d_model);
  const auto vocab = static_cast<size_t>(model.config.text.vocab_size);
  trace.tokens.resize(static_cast<size_t>(model.config.image_tokens()) * dim);
  const std::vector<float> pixels = Pixels(*trace.image, model.config.preprocess);
  model.vision.Forward(pixels.data(), trace.tokens.data(), arena);
  trace.states.resize(trace.tokens.size() + trace.prompt.size() * dim);
  model.EncodeText(trace.tokens.data(), trace.prompt, trace.states.data(), arena);
  const CrossCache cross =
      model.decoder.MakeCrossCache(trace.states.data(), trace.states.size() / dim, arena, arena);
  SelfCache cache(model.decoder.layers(), 1, kMaxTokens, dim);
  const bool free = trace.answer.empty();
  const std::vector<int> slots(kMaxTokens, 0);
  trace.logits.clear();
  int token = 2;  // the decoder's start
  for (size_t position = 0; position < kMaxTokens; ++position) {
    std::vector<float> row(vocab);
    const BartDecoder::Row step{token, &cache, 0, position, slots.data(), &cross};
    model.Decode({&step, 1}, row.data(), arena);
    trace.logits.insert(trace.logits.end(), row.begin(), row.end());
    if (free) {
      trace.answer.push_back(
          static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin()));
    }
    token = trace.answer[position];
    if (position + 1 == trace.answer.size() && (token == 2 || !free)) break;
  }
}

// What is added to all logits of a step changes no probability.
std::vector<float> Centred(std::vector<float> logits, size_t vocab) {
  for (size_t row = 0; row < logits.size(); row += vocab) {
    double sum = 0;
    for (size_t i = row; i < row + vocab; ++i) sum += double{logits[i]};
    const auto mean = static_cast<float>(sum / static_cast<double>(vocab));
    for (size_t i = row; i < row + vocab; ++i) logits[i] -= mean;
  }
  return logits;
}

void Compare(const char* name, const Florence2& model, const std::vector<Trace>& truth) {
  double tokens = 0, states = 0, logits = 0;
  size_t steps = 0, same = 0;
  const auto vocab = static_cast<ptrdiff_t>(model.config.text.vocab_size);
  for (const Trace& expected : truth) {
    Trace got{expected.image, expected.prompt, expected.answer, {}, {}, {}};
    Compute(model, got);
    tokens += testing::Cosine(expected.tokens, got.tokens);
    states += testing::Cosine(expected.states, got.states);
    logits += testing::Cosine(Centred(expected.logits, static_cast<size_t>(vocab)),
                              Centred(got.logits, static_cast<size_t>(vocab)));
    for (size_t i = 0; i < expected.answer.size(); ++i, ++steps) {
      const auto row = got.logits.begin() + static_cast<ptrdiff_t>(i) * vocab;
      same += std::max_element(row, row + vocab) - row == expected.answer[i];
    }
  }
  const auto count = static_cast<double>(truth.size());
  std::printf("%-34s %8.5f %8.5f %8.5f %8.2f %%\n", name, tokens / count, states / count,
              logits / count, 100.0 * static_cast<double>(same) / static_cast<double>(steps));
  std::fflush(stdout);
}

// A folder in which the matrices that `chosen` names are what they are in so many bits.
std::shared_ptr<const Florence2> Rounded(const fs::path& folder, const QuantizeOptions& options,
                                         const std::function<bool(const std::string&)>& chosen) {
  const testing::TemporaryFolder copy;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      fs::copy_file(entry.path(), copy.path() / entry.path().filename());
    }
  }
  const Checkpoint checkpoint = Checkpoint::Open(folder);
  std::map<std::string, TensorView> tensors = checkpoint.tensors();
  std::vector<std::vector<float>> storage;
  for (auto& [name, tensor] : tensors) {
    if (tensor.shape.size() < 2 || !chosen(NativeName(name))) continue;
    std::vector<float> values(tensor.elements());
    ConvertToFloat(tensor, values.data());
    const auto rows = static_cast<size_t>(tensor.shape[0]), columns = values.size() / rows;
    Dequantize(Quantize(values.data(), rows, columns, FittingOptions(options, columns)),
               values.data());
    storage.push_back(std::move(values));
    tensor.dtype = DType::kF32;
    tensor.data = reinterpret_cast<const uint8_t*>(storage.back().data());
    tensor.bytes = storage.back().size() * sizeof(float);
  }
  WriteSafetensors(copy.path() / "model.safetensors", tensors);
  return Florence2::Load(copy.path());
}

void CompareParts(const fs::path& folder, size_t group_size, const std::vector<Trace>& truth) {
  const auto has = [](const std::string& name, const char* part) {
    return name.find(part) != std::string::npos;
  };
  const std::pair<const char*, std::function<bool(const std::string&)>> kParts[] = {
      {"vision, linear",
       [&](auto& n) { return has(n, "vision_tower.blocks") && !has(n, ".conv"); }},
      {"text, linear", [&](auto& n) { return has(n, "_proj.weight") || has(n, "layers."); }},
      {"patch convolutions", [&](auto& n) { return has(n, "vision_tower.convs"); }},
      {"projector", [&](auto& n) { return has(n, "image_projection"); }},
      {"embedding and head",
       [&](auto& n) { return has(n, "shared.") || has(n, "embed_tokens") || has(n, "lm_head"); }}};
  for (const auto& [name, chosen] : kParts) {
    for (const int bits : {8, 4}) {
      const std::string title = std::string(name) + ", " + std::to_string(bits) + " bits";
      Compare(title.c_str(), *Rounded(folder, {bits, group_size, true}, chosen), truth);
    }
  }
}

void Main(int argc, char** argv) {
  const fs::path folder = argv[1];
  std::vector<fs::path> pictures, folders;
  size_t group_size = 64;
  bool parts = false;
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "--parts") == 0) {
      parts = true;
    } else if (std::strcmp(argv[i], "--folder") == 0 && i + 1 < argc) {
      folders.emplace_back(argv[++i]);
    } else if (std::strcmp(argv[i], "--group-size") == 0 && i + 1 < argc) {
      group_size = std::strtoull(argv[++i], nullptr, 10);
    } else {
      pictures.emplace_back(argv[i]);
    }
  }
  std::vector<Image> images;
  std::vector<Trace> truth;
  {
    const auto model = Florence2::Load(folder);
    for (const fs::path& path : pictures) images.push_back(ReadImage(path));
    const PreprocessConfig& size = model->config.preprocess;
    if (images.empty()) {
      for (int kind = 0; kind < 2; ++kind) {
        images.push_back(testing::PatternPicture(size.width, size.height, kind));
      }
    }
    std::optional<Tokenizer> tokenizer;
    if (fs::exists(folder / "tokenizer.json")) tokenizer = Tokenizer::Load(folder);
    for (const Image& image : images) {
      if (!tokenizer) {  // a model without meaning takes any prompt
        truth.push_back({&image, {0, 100, 37, 250, 4, 99, 2}, {}, {}, {}, {}});
        continue;
      }
      for (const Task task : kTasks) {
        const Prompt prompt = MakePrompt(task, "", image.width, image.height);
        truth.push_back({&image, tokenizer->Encode(prompt.text), {}, {}, {}, {}});
      }
    }
    for (Trace& trace : truth) Compute(*model, trace);
  }
  std::printf("%-34s %8s %8s %8s %10s\n", "cosine with float32 of", "picture", "states", "logits",
              "same token");
  Compare("f32 again", *Florence2::Load(folder), truth);
  Compare("quantized on loading, int4", *Florence2::Load(folder, Arithmetic::kInt4), truth);
  for (const fs::path& path : folders) {
    const std::string name = path.filename().string();
    Compare((name + ", f32").c_str(), *Florence2::Load(path), truth);
    Compare((name + ", int4").c_str(), *Florence2::Load(path, Arithmetic::kInt4), truth);
  }
  if (parts) CompareParts(folder, group_size, truth);
}

}  // namespace
}  // namespace uffizi

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: measure_loss MODEL [--group-size N] [--parts] "
                 "[--folder FOLDER]... [PICTURE...]\n");
    return 2;
  }
  try {
    uffizi::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "measure_loss: %s\n", error.what());
    return 1;
  }
}
