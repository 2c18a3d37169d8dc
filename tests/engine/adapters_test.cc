// LoRA adapters against peft, merged and beside the weights (tests/golden/make_lora.py).

#include <fstream>
#include <set>

#include "core/parallel.h"
#include "golden_model.h"
#include "quantize/quantize_folder.h"

namespace uffizi {
namespace {

using nlohmann::json;
using testing::Answer;
using testing::Answers;
using testing::Cosine;
using testing::Encode;
using testing::ExpectEqual;
using testing::MakeModel;

// Models into which peft merged the adapters beside it (make_lora.py).
const json& LoraGoldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/lora/goldens.json.gz"));
  return goldens;
}

LoraAdapters ReadAdapters(const json& golden, const std::filesystem::path& folder) {
  LoraAdapters adapters;
  for (const auto& [name, weight] : golden["adapters"].items()) {
    adapters.Add(folder / name, weight.get<double>());
  }
  return adapters;
}

TEST(Lora, EqualsPeftsMerge) {
  for (json golden : LoraGoldens()["models"]) {
    const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
    for (const char* layout : {"native", "microsoft"}) {
      SCOPED_TRACE(layout);
      golden["saved"]["layout"] = layout;
      const testing::TemporaryFolder folder;
      ExpectEqual(MakeModel(golden, folder.path(), Arithmetic::kF32, &adapters), golden, 1e-3);
    }
  }
}

std::shared_ptr<const Florence2> Beside(const std::shared_ptr<const Florence2>& base,
                                        const json& adapters) {
  return std::static_pointer_cast<const Florence2>(
      base->WithAdapters(ReadAdapters({{"adapters", adapters}}, UFFIZI_TEST_DATA "/lora")));
}

// Adapters that only add products to linear layers and embeddings share the model's weights; the
// others must be merged.
TEST(Lora, BesideTheWeightsEqualsPeftsMerge) {
  for (json golden : LoraGoldens()["models"]) {
    const std::string name = golden["name"];
    for (const char* layout : {"native", "microsoft"}) {
      SCOPED_TRACE(name + " " + layout);
      golden["saved"]["layout"] = layout;
      const testing::TemporaryFolder folder;
      const auto base = MakeModel(golden, folder.path());
      const auto model = Beside(base, golden["adapters"]);
      ASSERT_EQ(model != nullptr, name == "linear" || name == "tied");
      if (model == nullptr) continue;
      ExpectEqual(model, golden, 1e-3);
      EXPECT_EQ(model->embedding.output.weights().weight.floats(),
                base->embedding.output.weights().weight.floats());
      EngineInfo info;
      model->Describe(info);
      const auto file =
          Checkpoint::OpenFile(UFFIZI_TEST_DATA "/lora/" + name + "/adapter_model.safetensors");
      size_t bytes = 0;  // of the adapter in half precision
      for (const auto& [tensor, view] : file.tensors()) bytes += view.bytes;
      EXPECT_EQ(info.resident_bytes - info.shared_bytes, 2 * bytes);
      base->Describe(info = {});
      EXPECT_EQ(info.shared_bytes, 0u);
    }
  }
}

// In 4 bits, where weights are smoothed, and on top of each other.
TEST(Lora, BesideTheWeightsInInt4) {
  const json golden = LoraGoldens()["models"].at(0);
  const json both = {{"linear", 1.5}, {"tied", -1.0}};
  const LoraAdapters adapters = ReadAdapters({{"adapters", both}}, UFFIZI_TEST_DATA "/lora");
  const testing::TemporaryFolder folder;
  const auto exact = MakeModel(golden, folder.path(), Arithmetic::kF32, &adapters);
  const auto base = Florence2::Load(folder.path(), Arithmetic::kInt4);
  const auto model = Beside(base, both);
  ASSERT_NE(model, nullptr);
  const auto chained = Beside(Beside(base, {{"linear", 1.5}}), {{"tied", -1.0}});
  const json& one = golden["cases"][0];
  const std::vector<float> states = Encode(*model, golden, one);
  EXPECT_LT(Cosine(Encode(*base, golden, one), Encode(*exact, golden, one)), 0.9);
  EXPECT_GT(Cosine(states, Encode(*exact, golden, one)), 0.95);
  EXPECT_EQ(Encode(*chained, golden, one), states);
  Answers alone;
  oneapi::tbb::task_arena one_thread(1);
  one_thread.execute([&] { alone = Answer(*model, golden, false); });
  for (const int threads : {2, 5}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] { EXPECT_EQ(Answer(*model, golden, true), alone) << threads; });
  }
}

// Adapters trained with Microsoft's code have its module names.
TEST(Lora, NamesMayBeMicrosofts) {
  const testing::TemporaryFolder folder;
  std::vector<Checkpoint> checkpoints;
  for (const char* name : {"linear", "convolutions"}) {
    const std::filesystem::path from = std::filesystem::path(UFFIZI_TEST_DATA) / "lora" / name;
    const std::filesystem::path to = folder.path() / name;
    std::filesystem::create_directory(to);
    json config = json::parse(std::ifstream(from / "adapter_config.json"));
    if (config["alpha_pattern"].size() == 2) {
      config["alpha_pattern"] = {{"qkv", 3}, {"model.encoder.layers.1.fc2", 12}};
    }
    testing::WriteText(to / "adapter_config.json", config.dump());
    checkpoints.push_back(Checkpoint::OpenFile(from / "adapter_model.safetensors"));
    std::map<std::string, TensorView> renamed;
    const std::string prefix = "base_model.model.";
    for (const auto& [key, tensor] : checkpoints.back().tensors()) {
      const size_t part = key.find(".lora_");
      const std::string native = key.substr(prefix.size(), part - prefix.size()) + ".weight";
      if (native.find("image_projection") != std::string::npos) continue;  // no module there
      const std::string microsoft = MicrosoftName(native);
      renamed[prefix + microsoft.substr(0, microsoft.rfind('.')) + key.substr(part)] = tensor;
    }
    EXPECT_FALSE(renamed.contains(checkpoints.back().tensors().begin()->first));
    WriteSafetensors(to / "adapter_model.safetensors", renamed);
  }
  for (const json& golden : LoraGoldens()["models"]) {
    if (golden["name"] != "convolutions") continue;
    const LoraAdapters adapters = ReadAdapters(golden, folder.path());
    const testing::TemporaryFolder model;
    ExpectEqual(MakeModel(golden, model.path(), Arithmetic::kF32, &adapters), golden, 1e-3);
  }
  LoraAdapters renamed, native;
  renamed.Add(folder.path() / "linear", 1);
  native.Add(UFFIZI_TEST_DATA "/lora/linear", 1);
  std::vector<std::string> names = native.names();
  std::erase(names, "model.multi_modal_projector.image_projection.weight");
  EXPECT_EQ(renamed.names(), names);
}

// Whether quantized while loading, in a folder, or by both.
TEST(Lora, Int4IsNearTheMergedModel) {
  const json golden = LoraGoldens()["models"].at(0);
  const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
  const testing::TemporaryFolder folder;
  const auto plain = MakeModel(golden, folder.path());
  const json& one = golden["cases"][0];
  const auto expected =
      Encode(*Florence2::Load(folder.path(), Arithmetic::kF32, &adapters), golden, one);
  EXPECT_LT(Cosine(Encode(*plain, golden, one), expected), 0.9);
  QuantizeFolderOptions options;
  options.weights = {4, 32, true};
  QuantizeFolder(folder.path(), folder.path() / "plain", options);
  options.adapters = adapters;
  QuantizeFolder(folder.path(), folder.path() / "merged", options);
  const auto near = [&](const char* name, Arithmetic arithmetic, const LoraAdapters* merge) {
    const auto model = Florence2::Load(folder.path() / name, arithmetic, merge);
    EXPECT_GT(Cosine(Encode(*model, golden, one), expected), 0.95) << name;
  };
  near("", Arithmetic::kInt4, &adapters);
  near("merged", Arithmetic::kF32, nullptr);
  near("merged", Arithmetic::kInt4, nullptr);
  // In a 4-bit model, changed weights are rounded again.
  near("plain", Arithmetic::kF32, &adapters);
  near("plain", Arithmetic::kInt4, &adapters);
}

// The same weights as in the merged model, up to rounding, under the names of transformers.
TEST(Lora, AQuantizedFolderKeepsHeadsAndBiases) {
  for (const json& golden : LoraGoldens()["models"]) {
    const LoraAdapters adapters = ReadAdapters(golden, UFFIZI_TEST_DATA "/lora");
    const testing::TemporaryFolder folder;
    MakeModel(golden, folder.path());
    QuantizeFolderOptions options;
    options.weights = {8, 32, true};
    options.adapters = adapters;
    QuantizeFolder(folder.path(), folder.path() / "merged", options);
    const auto model = Florence2::Load(folder.path() / "merged");
    const auto expected = Florence2::Load(folder.path(), Arithmetic::kF32, &adapters);
    const auto logits = [&](const Florence2& of) {
      std::vector<float> head(of.embedding.output.out());
      const std::vector<float> ones(of.embedding.output.in(), 1);
      Arena arena;
      of.embedding.output.Forward(ones.data(), 1, head.data(), arena);
      return head;
    };
    EXPECT_GT(Cosine(logits(*model), logits(*expected)), 0.9999) << golden["name"];
    const json& one = golden["cases"][0];
    EXPECT_GT(Cosine(Encode(*model, golden, one), Encode(*expected, golden, one)), 0.995)
        << golden["name"];
  }
}

}  // namespace
}  // namespace uffizi
