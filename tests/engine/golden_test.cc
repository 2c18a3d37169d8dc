// The whole network against PyTorch: random weights of many shapes (tests/golden/make_model.py).

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
using testing::Samples;

const json& Goldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/model/goldens.json.gz"));
  return goldens;
}

// Folders written by uffizi quantize and opened by transformers (make_quantized.py).
const json& QuantizedGoldens() {
  static const json goldens =
      json::parse(testing::ReadGzip(UFFIZI_TEST_DATA "/model/quantized.json.gz"));
  return goldens;
}

class GoldenModel : public ::testing::TestWithParam<size_t> {};

TEST_P(GoldenModel, EqualsPyTorch) {
  const json& golden = Goldens()["models"].at(GetParam());
  const testing::TemporaryFolder folder;
  ExpectEqual(MakeModel(golden, folder.path()), golden, 1e-3);
}

TEST(QuantizedFolder, EqualsWhatTransformersReadsFromIt) {
  for (const json& golden : QuantizedGoldens()["models"]) {
    const testing::TemporaryFolder folder;
    MakeModel(golden, folder.path());
    const json& quantized = golden["quantized"];
    QuantizeFolderOptions options;
    options.weights = {quantized["bits"], quantized["group_size"], quantized["symmetric"]};
    options.smooth = false;  // as the folder that transformers read: make_quantized.py
    QuantizeFolder(folder.path(), folder.path() / "quantized", options);
    // transformers multiplies scales and codes in half precision.
    ExpectEqual(Florence2::Load(folder.path() / "quantized"), golden, 4e-3);
  }
}

TEST_P(GoldenModel, Int4IsNearAndTheSameInAnyCompany) {
  const json& golden = Goldens()["models"].at(GetParam());
  const testing::TemporaryFolder folder;
  const auto narrow = MakeModel(golden, folder.path(), Arithmetic::kInt4);
  const json& one = golden["cases"][0];
  const auto expected = one["encoder"]["values"].get<std::vector<float>>();
  const std::vector<float> states = Encode(*narrow, golden, one);
  const std::vector<float> got = Samples(one["encoder"], states.data(), states.size());
  ASSERT_EQ(got.size(), expected.size());
  EXPECT_GT(Cosine(got, expected), 0.95);
  if (golden["name"] == "base") return;  // its searches take long
  Answers alone;
  oneapi::tbb::task_arena one_thread(1);
  one_thread.execute([&] { alone = Answer(*narrow, golden, false); });
  for (const int threads : {1, 2, 5}) {
    oneapi::tbb::task_arena arena(threads);
    arena.execute([&] { EXPECT_EQ(Answer(*narrow, golden, true), alone) << threads; });
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel, ::testing::Range<size_t>(0, 7));
// A model of base size takes a while, so it has a name by which it can be excluded.
INSTANTIATE_TEST_SUITE_P(BaseSize, GoldenModel, ::testing::Values<size_t>(7));

}  // namespace
}  // namespace uffizi
