// Packed weights: those written by compressed-tensors, those that we write, and damaged ones.

#include "checkpoint/pack_quantized.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "checkpoint/weight_reader.h"
#include "core/mapped_file.h"
#include "kernels/quantize.h"
#include "support/files.h"
#include "support/random_model.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

const fs::path kGolden = fs::path(UFFIZI_TEST_DATA) / "quant";

std::string Layer(size_t i) { return "layer" + std::to_string(i) + ".weight"; }

// The result of compressed-tensors' unpacking, from tests/golden/make_pack.py.
TEST(PackQuantized, ReadsWhatCompressedTensorsWrote) {
  const Checkpoint checkpoint = Checkpoint::Open(kGolden);
  const WeightReader reader(checkpoint);
  size_t layers = 0;
  for (; reader.Has(Layer(layers)); ++layers) {
    const std::string name = "layer" + std::to_string(layers);
    const TensorView& expected = *checkpoint.Find(name + ".expected");
    const FloatTensor got = reader.Floats(name + ".weight", expected.shape);
    std::vector<float> values(expected.elements());
    ASSERT_TRUE(ConvertToFloat(expected, values.data()));
    // The library multiplies in the type of the scales.
    const DType dtype = checkpoint.Find(name + ".weight_scale")->dtype;
    const float tolerance = dtype == DType::kF32 ? 0.0f : dtype == DType::kF16 ? 0x1p-11f : 0x1p-8f;
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(got.data()[i], values[i], tolerance * std::abs(values[i])) << name << " " << i;
    }
  }
  EXPECT_EQ(layers, 7u);
}

// Packing the matrices that we read gives the same bytes as compressed-tensors.
TEST(PackQuantized, WritesWhatCompressedTensorsWrites) {
  const Checkpoint checkpoint = Checkpoint::Open(kGolden);
  for (size_t i = 0; i < 7; ++i) {
    const QuantizedMatrix matrix = ReadPacked(checkpoint, Layer(i), ReadPackSchemes(kGolden));
    std::vector<std::vector<uint8_t>> storage;
    for (const auto& [suffix, tensor] : Pack(matrix, storage)) {
      if (suffix == "weight_scale") continue;  // float32 in some of the goldens
      const TensorView* golden = checkpoint.Find("layer" + std::to_string(i) + "." + suffix);
      ASSERT_NE(golden, nullptr) << i << suffix;
      EXPECT_EQ(tensor.dtype, golden->dtype) << i << suffix;
      EXPECT_EQ(tensor.shape, golden->shape) << i << suffix;
      EXPECT_EQ(std::memcmp(tensor.data, golden->data, golden->bytes), 0) << i << suffix;
    }
  }
}

struct Case {
  int bits;
  size_t group_size;
  bool symmetric;
};

// A folder with one packed layer "a" of 12 x 64, that may be edited.
class PackedFolder : public ::testing::Test {
 protected:
  void Write(const Case& c, float spread = 0.02f) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> w(12 * 64);
    for (float& value : w) value = normal(random);
    matrix_ = Quantize(w.data(), 12, 64, {c.bits, c.group_size, c.symmetric});
    storage_.clear();
    tensors_.clear();
    for (const auto& [suffix, tensor] : Pack(matrix_, storage_)) tensors_["a." + suffix] = tensor;
    config_ = {{"quant_method", "compressed-tensors"},
               {"format", "pack-quantized"},
               {"config_groups",
                {{"group_0",
                  {{"targets", {"Linear"}},
                   {"weights",
                    {{"num_bits", c.bits},
                     {"type", "int"},
                     {"strategy", c.group_size == 0 ? "channel" : "group"},
                     {"group_size", c.group_size == 0 ? json() : json(c.group_size)},
                     {"symmetric", c.symmetric}}}}}}}};
    Save();
  }

  void Save() const {
    fs::remove(path() / "model.safetensors");
    WriteSafetensors(path() / "model.safetensors", tensors_);
    testing::WriteText(path() / "config.json", json{{"quantization_config", config_}}.dump());
  }

  json& weights() { return config_["config_groups"]["group_0"]["weights"]; }
  const fs::path& path() const { return folder_.path(); }

  std::string ReadError() const {
    Save();
    try {
      const Checkpoint checkpoint = Checkpoint::Open(path());
      WeightReader(checkpoint).Quantized("a.weight", 12, 64);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      return error.what();
    }
    return "no error";
  }

  testing::TemporaryFolder folder_;
  QuantizedMatrix matrix_;
  std::map<std::string, TensorView> tensors_;
  std::vector<std::vector<uint8_t>> storage_;
  json config_;
};

TEST_F(PackedFolder, GivesBackEveryCode) {
  for (const Case& c : {Case{4, 32, true}, Case{4, 64, false}, Case{4, 0, true}, Case{8, 32, true},
                        Case{8, 64, false}, Case{8, 0, false}}) {
    for (const float spread : {0.02f, 1e-6f, 1e6f}) {  // scales in half precision and in bfloat16
      Write(c, spread);
      const Checkpoint checkpoint = Checkpoint::Open(path());
      const auto read = WeightReader(checkpoint).Quantized("a.weight", 12, 64);
      ASSERT_TRUE(read);
      EXPECT_EQ(read->bits, c.bits);
      EXPECT_EQ(read->group_size, matrix_.group_size);
      EXPECT_EQ(read->codes, matrix_.codes);
      EXPECT_EQ(read->scales, matrix_.scales);
      EXPECT_EQ(read->zeros, matrix_.zeros);
    }
  }
}

TEST_F(PackedFolder, ZeroPointsThatAreNotPacked) {
  Write({4, 32, false});
  std::vector<uint8_t> zeros = matrix_.zeros;
  for (uint8_t& zero : zeros) zero = static_cast<uint8_t>(zero - 8);
  tensors_["a.weight_zero_point"] = {DType::kI8, {12, 2}, zeros.data(), zeros.size(), ""};
  Save();
  const Checkpoint checkpoint = Checkpoint::Open(path());
  EXPECT_EQ(WeightReader(checkpoint).Quantized("a.weight", 12, 64)->zeros, matrix_.zeros);
}

TEST_F(PackedFolder, ColumnsOutOfOrder) {
  Write({4, 32, true});
  std::vector<int32_t> groups(64);
  for (size_t c = 0; c < 64; ++c) groups[c] = static_cast<int32_t>(c / 32);
  tensors_["a.weight_g_idx"] = {
      DType::kI32, {64}, reinterpret_cast<const uint8_t*>(groups.data()), 256, ""};
  EXPECT_EQ(ReadError(), "no error");
  std::swap(groups[3], groups[40]);
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("model.safetensors"), HasSubstr("a.weight_g_idx"),
                                 HasSubstr("out of order")));
}

TEST_F(PackedFolder, DamageIsNamed) {
  for (const char* part : {"a.weight_scale", "a.weight_shape", "a.weight_zero_point"}) {
    Write({4, 32, false});
    tensors_.erase(part);
    EXPECT_THAT(ReadError(),
                AllOf(HasSubstr("model.safetensors"), HasSubstr(part), HasSubstr("missing")));
    Write({4, 32, false});
    tensors_[part].shape.push_back(1);
    EXPECT_THAT(ReadError(), AllOf(HasSubstr("model.safetensors"), HasSubstr(part)));
    Write({4, 32, false});
    tensors_[part].dtype = DType::kBool;
    tensors_[part].shape = {static_cast<int64_t>(tensors_[part].bytes)};
    EXPECT_THAT(ReadError(), AllOf(HasSubstr("model.safetensors"), HasSubstr(part)));
  }
  Write({4, 32, true});
  tensors_["a.weight_packed"].shape = {6, 16};
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("a.weight_packed"), HasSubstr("[6, 16]")));
  Write({4, 32, true});
  const uint16_t infinite = 0x7c00;
  std::memcpy(const_cast<uint8_t*>(tensors_["a.weight_scale"].data) + 6, &infinite, 2);
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("a.weight_scale"), HasSubstr("infinity")));
  Write({4, 32, true});
  const int64_t shape[2] = {12, -64};
  std::memcpy(const_cast<uint8_t*>(tensors_["a.weight_shape"].data), shape, sizeof(shape));
  EXPECT_THAT(ReadError(), HasSubstr("a.weight_shape"));
}

TEST_F(PackedFolder, ConfigsThatDoNotFit) {
  Write({4, 32, true});
  weights()["num_bits"] = 8;
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("a.weight_packed"), HasSubstr("fits no group")));
  Write({4, 32, true});
  weights()["group_size"] = 64;
  EXPECT_THAT(ReadError(), HasSubstr("fits no group"));
  Write({4, 32, true});
  weights()["num_bits"] = 3;
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("config.json"), HasSubstr("num_bits")));
  Write({4, 32, true});
  weights()["type"] = "float";
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("config.json"), HasSubstr("float")));
  Write({4, 32, true});
  config_["quant_method"] = "awq";
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("config.json"), HasSubstr("awq")));
  Write({4, 32, true});
  config_["format"] = "marlin-24";
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("config.json"), HasSubstr("marlin-24")));
  Write({4, 32, true});
  config_.erase("config_groups");
  EXPECT_THAT(ReadError(), AllOf(HasSubstr("config.json"), HasSubstr("config_groups")));
  Write({4, 32, true});
  const Checkpoint checkpoint = Checkpoint::Open(path());
  EXPECT_THROW(WeightReader(checkpoint).Quantized("a.weight", 12, 32), Error);
}

TEST_F(PackedFolder, PresetsAndMixedPrecision) {
  Write({8, 32, true});
  const json eight = config_["config_groups"]["group_0"];
  config_["format"] = "mixed-precision";
  config_["config_groups"] = {{"W4A16", {"re:.*fc1"}}, {"group_1", eight}};
  config_["config_groups"]["group_1"]["format"] = "pack-quantized";
  EXPECT_EQ(ReadError(), "no error");
}

TEST(NativeNames, UndoMicrosoftNames) {
  const testing::TemporaryFolder folder;
  testing::WriteText(folder.path() / "config.json", R"({"model_type": "florence2",
    "vision_config": {"embed_dim": [8, 16], "num_heads": [1, 2], "num_groups": [2, 2],
      "depths": [1, 1], "patch_size": [7, 3], "patch_stride": [4, 2], "patch_padding": [3, 1],
      "patch_prenorm": [false, true], "window_size": 4, "projection_dim": 16},
    "text_config": {"vocab_size": 40, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
      "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32,
      "decoder_ffn_dim": 32, "max_position_embeddings": 64}})");
  testing::WriteText(folder.path() / "preprocessor_config.json",
                     R"({"size": {"width": 32, "height": 32}})");
  for (const auto& weight : testing::WeightShapes(LoadModelConfig(folder.path()), false)) {
    EXPECT_EQ(NativeName(MicrosoftName(weight.name)), weight.name);
    EXPECT_EQ(NativeName(weight.name), weight.name);
  }
}

}  // namespace
}  // namespace uffizi
