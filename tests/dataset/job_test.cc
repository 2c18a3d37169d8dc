// Whole jobs in this process, with the bundled model.
#include "dataset/job.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <random>

#include "core/mapped_file.h"
#include "dataset/plan.h"
#include "support/files.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

using nlohmann::json;
using testing::TemporaryFolder;
using testing::WriteText;
namespace fs = std::filesystem;

const std::shared_ptr<const Engine>& Model() {
  static const auto engine = Engine::Load(UFFIZI_TINY_MODEL, {Compute::kF32, 1});
  return engine;
}

Image RandomImage(int width, int height, unsigned seed) {
  Image image{width, height, {}};
  std::mt19937 random(seed);
  const unsigned low = random(), high = random();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width * 3; ++x) {
      const bool inside = x > width && y > height / 3;
      image.pixels.push_back(static_cast<uint8_t>((inside ? low : high) >> (8 * (x % 3))));
    }
  }
  return image;
}

class JobTest : public ::testing::Test {
 protected:
  static constexpr int kPictures = 14;

  void SetUp() override {
    for (int i = 0; i < kPictures; ++i) {
      const fs::path file = pictures / (std::to_string(100 + i) + ".png");
      fs::create_directories(pictures);
      WriteText(file,
                i == 5
                    ? "not a picture"
                    : EncodePng(RandomImage(40 + 9 * i, 90 - i, static_cast<unsigned>(i)).view()));
    }
  }

  Job MakeJob(int workers, size_t batch) {
    Job job;
    job.collection = &collection();
    job.engine = Model();
    job.pipeline.workers = workers;
    job.pipeline.batch = batch;
    job.pipeline.questions = {{Task::kCaption, "", {}},
                              {Task::kPhraseGrounding, "", 0},
                              {Task::kObjectDetection, "", {}}};
    return job;
  }

  const Collection& collection() {
    if (!collection_) collection_.emplace(std::vector{pictures.string()}, CollectionOptions());
    return *collection_;
  }

  // The records without their timings.
  static std::vector<json> Records(const fs::path& path) {
    std::vector<json> records;
    std::istringstream in(ReadFile(path));
    for (std::string line; std::getline(in, line);) {
      records.push_back(json::parse(line));
      records.back().erase("timings");
    }
    return records;
  }

  TemporaryFolder temporary;
  const fs::path pictures = temporary.path() / "pictures";
  std::optional<Collection> collection_;
};

TEST_F(JobTest, RecordsDoNotDependOnHowTheWorkIsCut) {
  std::vector<json> expected;
  for (const auto& [workers, batch] : {std::pair{1, size_t{1}}, {1, 5}, {3, 4}, {4, 8}}) {
    Job job = MakeJob(workers, batch);
    const fs::path out = temporary.path() / "out.jsonl";
    fs::remove(out);
    job.sinks.push_back(MakeJsonSink(out, JsonLayout::kLines));
    const JobSummary summary = RunJob(job);
    EXPECT_TRUE(summary.finished);
    EXPECT_EQ(summary.progress.done, static_cast<size_t>(kPictures));
    EXPECT_EQ(summary.progress.failed, 1u);
    const std::vector<json> records = Records(out);
    if (expected.empty()) expected = records;
    EXPECT_EQ(records, expected) << workers << " workers, batches of " << batch;
  }
  ASSERT_EQ(expected.size(), 3u * (kPictures - 1) + 1);
  EXPECT_EQ(expected[15]["error"]["code"], "invalid_image");
  EXPECT_EQ(expected[1]["prompt"],
            "Locate the phrases in the caption: " + expected[0]["result"].get<std::string>());
}

TEST_F(JobTest, AsksEachPictureAsIfItWereAlone) {
  Job job = MakeJob(2, 8);
  const fs::path out = temporary.path() / "out.jsonl";
  job.sinks.push_back(MakeJsonSink(out, JsonLayout::kLines));
  RunJob(job);
  const Image image = ReadImage(pictures / "103.png");
  Session session(Model());
  const EncodedImage encoded = session.Encode(image.view());
  const std::vector<Query> query = {Model()->MakeQuery(
      encoded, MakePrompt(Task::kObjectDetection, "", image.width, image.height))};
  EXPECT_EQ(Records(out)[3 * 3 + 2]["token_ids"].get<std::vector<int>>(),
            session.Run(query).front().token_ids);
}

TEST_F(JobTest, StopsAndGoesOn) {
  const fs::path out = temporary.path() / "out.jsonl", whole = temporary.path() / "whole.jsonl";
  Job job = MakeJob(2, 2);
  job.sinks.push_back(MakeJsonSink(whole, JsonLayout::kLines));
  RunJob(job);
  int runs = 0;
  for (bool finished = false; !finished; ++runs) {
    ASSERT_LT(runs, 20);
    Journal journal(temporary.path() / "out.job");
    journal.Begin({}, false);
    std::atomic<bool> stop = false;
    job = MakeJob(2, 2);
    job.sinks.push_back(MakeJsonSink(out, JsonLayout::kLines));
    job.journal = &journal;
    job.stop = &stop;
    job.progress = [&](const JobProgress& progress) {
      stop = progress.done >= progress.before + 3;
    };
    finished = RunJob(job).finished;
  }
  EXPECT_GT(runs, 1);
  EXPECT_EQ(Records(out), Records(whole));
  EXPECT_FALSE(fs::exists(temporary.path() / "out.job"));
}

TEST_F(JobTest, RefusesAnotherCollectionThanItBeganWith) {
  const fs::path out = temporary.path() / "out.jsonl";
  for (const bool changed : {false, true}) {
    Journal journal(temporary.path() / "out.job");
    journal.Begin({}, false);
    std::atomic<bool> stop = false;
    Job job = MakeJob(1, 1);
    job.sinks.push_back(MakeJsonSink(out, JsonLayout::kLines));
    job.journal = &journal;
    job.stop = &stop;
    job.progress = [&](const JobProgress&) { stop = true; };
    if (changed) {
      EXPECT_THROW(RunJob(job), Error);
    } else {
      EXPECT_FALSE(RunJob(job).finished);
      WriteText(pictures / "000.png", "one more, before all others");
    }
  }
}

TEST_F(JobTest, HugePicturesPassOneAtATime) {
  for (int i = 0; i < 3; ++i) {
    WriteText(
        pictures / ("big" + std::to_string(i) + ".jpg"),
        EncodeJpeg(Image{6000, 4100, std::vector<uint8_t>(size_t{3} * 6000 * 4100, 90)}.view()));
  }
  Job job = MakeJob(3, 2);
  job.pipeline.pixel_bytes = 1;  // any picture fills it
  const fs::path out = temporary.path() / "out.jsonl";
  job.sinks.push_back(MakeJsonSink(out, JsonLayout::kLines));
  EXPECT_EQ(RunJob(job).progress.failed, 1u);
  EXPECT_EQ(Records(out).back()["width"], 6000);
  job = MakeJob(2, 2);
  job.pipeline.decode.max_pixels = 24'500'000;
  EXPECT_EQ(RunJob(job).progress.failed, 4u);
}

TEST_F(JobTest, AnOptionThatFitsNoPictureEndsTheJob) {
  Job job = MakeJob(2, 2);
  job.pipeline.generation.max_length = 1'000'000;
  try {
    RunJob(job);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Plan, ThreadsAreShared) {
  EXPECT_EQ(PlanWork(1, 8, 0).workers, 1);
  EXPECT_EQ(PlanWork(1, 8, 0).session_threads, 8);
  EXPECT_EQ(PlanWork(1000, 8, 0).workers, 8);
  EXPECT_EQ(PlanWork(1000, 8, 0).session_threads, 1);
  EXPECT_EQ(PlanWork(3, 8, 0).session_threads, 2);
  EXPECT_EQ(PlanWork(std::nullopt, 8, 2).session_threads, 4);
}

}  // namespace
}  // namespace uffizi::dataset
