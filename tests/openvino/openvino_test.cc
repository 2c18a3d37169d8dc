// The OpenVINO engine on a Spark NLP artifact, compared with OpenVINO's own Python API
// (tests/data/models/README.md) and with the native engine in float32.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/parallel.h"
#include "import/artifact.h"
#include "support/files.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::kArtifact;
using testing::kModelsData;

using Ids = std::vector<int>;

class OpenVino : public ::testing::Test {
 protected:
  // Loaded once for all tests; the artifact is imported into a cache of the test's own.
  static void SetUpTestSuite() {
    cache_ = new testing::TemporaryFolder;
    setenv("UFFIZI_CACHE", cache_->path().c_str(), 1);
    openvino_ = Load(kArtifact, EngineKind::kOpenVino);
  }
  static void TearDownTestSuite() {
    openvino_.reset();
    unsetenv("UFFIZI_CACHE");
    delete cache_;
  }

  static std::shared_ptr<const Engine> Load(const fs::path& source, EngineKind kind,
                                            int threads = 0) {
    EngineOptions options;
    options.compute = Compute::kF32;
    options.threads = threads;
    options.kind = kind;
    return Engine::Load(source, options);
  }

  // Of the cases in ids.json.
  static json Cases() { return json::parse(testing::ReadBytes(kModelsData / "ids.json"))["cases"]; }

  static EncodedImage Encode(Session& session, const json& one) {
    const bool scene = one["picture"] == "scene.png";
    return session.Encode(ReadImage(kModelsData / (scene ? "scene_384.png" : "odd.jpg")).view());
  }

  // All cases in one batch, each asked with each of the options.
  static std::vector<Query> Queries(Session& session, const std::vector<GenerationOptions>& all) {
    std::vector<Query> queries;
    std::map<std::string, EncodedImage> encoded;
    for (const json& one : Cases()) {
      const std::string picture = one["picture"];
      if (!encoded.contains(picture)) encoded[picture] = Encode(session, one);
      for (const GenerationOptions& options : all) {
        const EncodedImage& image = encoded[picture];
        const Prompt prompt =
            MakePrompt(one["task"].get<std::string>(), image.width(), image.height());
        queries.push_back(session.engine().MakeQuery(image, prompt, options));
      }
    }
    return queries;
  }

  static std::vector<Ids> Answers(Session& session, std::span<const Query> queries) {
    std::vector<Ids> answers;
    for (const Result& result : session.Run(queries)) answers.push_back(result.token_ids);
    return answers;
  }

  // Plain argmax, as the record has it.
  static GenerationOptions Greedy() {
    GenerationOptions options;
    options.num_beams = 1;
    options.no_repeat_ngram_size = 0;
    options.forced_bos = options.forced_eos = false;
    options.max_length = 61;
    return options;
  }

  static GenerationOptions Beams() {
    GenerationOptions options;
    options.num_beams = 3;
    options.max_length = 32;
    return options;
  }

  static testing::TemporaryFolder* cache_;
  static std::shared_ptr<const Engine> openvino_;
};
testing::TemporaryFolder* OpenVino::cache_ = nullptr;
std::shared_ptr<const Engine> OpenVino::openvino_;

TEST_F(OpenVino, GreedyIdsAreTheRecordedOnes) {
  Session session(openvino_);
  const std::vector<Query> queries = Queries(session, {Greedy()});
  const std::vector<Ids> answers = Answers(session, queries);
  const json cases = Cases();
  ASSERT_EQ(answers.size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i]["picture"].dump() + " " + cases[i]["case"].dump());
    const std::span<const int> input = queries[i].input_ids();
    EXPECT_EQ(Ids(input.begin(), input.end()), cases[i]["input_ids"].get<Ids>());
    EXPECT_EQ(answers[i], cases[i]["greedy_ids"].get<Ids>());
  }
}

TEST_F(OpenVino, BeamsFindWhatTheNativeEngineFinds) {
  Session openvino(openvino_), native(Load(kArtifact, EngineKind::kNative));
  EXPECT_EQ(Answers(openvino, Queries(openvino, {Beams()})),
            Answers(native, Queries(native, {Beams()})));
}

// Answers of different lengths, prompts and beams; rows that others need stay where they are.
TEST_F(OpenVino, AnswersAreTheSameAloneAndTogether) {
  GenerationOptions one_token = Beams();
  one_token.max_length = 3;
  Session session(openvino_);
  const std::vector<Query> queries = Queries(session, {Greedy(), one_token, Beams()});
  const std::vector<Ids> together = Answers(session, queries);
  for (size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ(Answers(session, {&queries[i], 1}).front(), together[i]) << i;
  }
}

TEST_F(OpenVino, SessionsAnswerAtTheSameTime) {
  const auto engine = Load(kArtifact, EngineKind::kOpenVino, 1);
  Session first(engine);
  const std::vector<Ids> alone = Answers(first, Queries(first, {Greedy(), Beams()}));
  EXPECT_EQ(alone.size(), 2 * Cases().size());
  std::vector<std::vector<Ids>> answers(4);
  std::vector<std::thread> threads;
  for (std::vector<Ids>& mine : answers) {
    threads.emplace_back([&] {
      Session session(engine);
      mine = Answers(session, Queries(session, {Greedy(), Beams()}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<Ids>& mine : answers) EXPECT_EQ(mine, alone);
}

// The CPU seconds that each thread of this process has used so far, by its id.
std::map<std::string, double> ThreadSeconds() {
  std::map<std::string, double> seconds;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    const std::string id = task.path().filename();
    // A thread's CPU clock by Linux's numbering, clock_getres(2).
    const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(std::stoi(id)) << 3 | 6);
    timespec time = {};
    clock_gettime(clock, &time);
    seconds[id] = static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  return seconds;
}

// Measured by which threads do the work, which does not depend on the machine's load.
TEST_F(OpenVino, UsesAsManyThreadsAsAsked) {
  // The share of the work on a picture that the busiest thread does.
  const auto busiest = [](int threads) {
    const auto engine = Load(kArtifact, EngineKind::kOpenVino, threads);
    EXPECT_EQ(engine->info().threads, threads);
    Session session(engine);
    const json one = Cases()[0];
    double most = 0, all = 0;
    for (int i = 0; i < 10; ++i) {
      std::map<std::string, double> before = ThreadSeconds();
      Encode(session, one);
      double most_now = 0;
      for (const auto& [thread, seconds] : ThreadSeconds()) {
        most_now = std::max(most_now, seconds - before[thread]);
        all += seconds - before[thread];
      }
      most += most_now;
    }
    return most / all;
  };
  EXPECT_GT(busiest(1), 0.9);
  if (MaxThreads() > 1) {
    EXPECT_LT(busiest(2), 0.8);
  }
}

TEST_F(OpenVino, TakesAFolderOfGraphs) {
  const testing::TemporaryFolder folder;
  testing::UnpackGraphs(folder.path());
  fs::copy_file(fs::path(openvino_->info().path) / "tokenizer.json",
                folder.path() / "tokenizer.json");
  const auto engine = Load(folder.path(), EngineKind::kOpenVino);
  EXPECT_NE(engine->info().kernels.find("OpenVINO"), std::string::npos);
  EXPECT_EQ(engine->info().compute, "f32");
  Session plain(engine), session(openvino_);
  EXPECT_EQ(Answers(plain, Queries(plain, {Beams()})),
            Answers(session, Queries(session, {Beams()})));
}

// The message of the error that loading ends with.
std::string Refusal(const fs::path& source, const EngineOptions& options, ErrorCode code) {
  try {
    Engine::Load(source, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST_F(OpenVino, SaysWhatItCannotTake) {
  EngineOptions options;
  options.kind = EngineKind::kOpenVino;
  const fs::path folder = Load(kArtifact, EngineKind::kNative)->info().path;
  EXPECT_NE(Refusal(folder, options, ErrorCode::kInvalidModel).find("IR graphs"),
            std::string::npos);
  options.device = "ABACUS";
  const std::string refusal = Refusal(kArtifact, options, ErrorCode::kInvalidArgument);
  EXPECT_NE(refusal.find("no device ABACUS here; it has: CPU"), std::string::npos) << refusal;
  options.device = "CPU";
  options.compute = Compute::kInt4;
  EXPECT_NE(Refusal(kArtifact, options, ErrorCode::kInvalidArgument), "");
}

// Another norm than Florence-2's is nothing that OpenVINO could not compute.
TEST_F(OpenVino, RunsGraphsThatTheNativeEngineDoesNotUnderstand) {
  const testing::TemporaryFolder folder;
  testing::UnpackGraphs(folder.path());
  fs::copy_file(fs::path(openvino_->info().path) / "tokenizer.json",
                folder.path() / "tokenizer.json");
  const fs::path graph = folder.path() / "encoder.xml";
  std::string xml = testing::ReadBytes(graph);
  const std::string usual = "eps=\"9.9999997473787516e-06\"";
  const size_t at = xml.find(usual);
  ASSERT_NE(at, std::string::npos);
  testing::WriteText(graph, xml.replace(at, usual.size(), "eps=\"2e-05\""));
  try {
    Load(folder.path(), EngineKind::kNative);
    FAIL() << "took another norm for Florence-2's";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("encoder.xml"), std::string::npos) << error.what();
  }
  Session odd(Load(folder.path(), EngineKind::kOpenVino)), session(openvino_);
  const std::vector<Ids> answers = Answers(odd, Queries(odd, {Greedy()}));
  EXPECT_EQ(answers.size(), Cases().size());
  EXPECT_EQ(odd.engine().info().image_tokens, openvino_->info().image_tokens);
  EXPECT_EQ(odd.engine().info().vocab_size, openvino_->info().vocab_size);
}

// A graph that does not match its name gives an error that names it.
TEST_F(OpenVino, NamesTheGraphThatDoesNotFit) {
  const testing::TemporaryFolder folder;
  testing::UnpackGraphs(folder.path());
  const fs::path model = openvino_->info().path;
  fs::copy_file(model / "tokenizer.json", folder.path() / "tokenizer.json");
  const fs::path graph = folder.path() / "encoder.xml";
  std::string xml = testing::ReadBytes(graph);
  for (size_t at = 0; (at = xml.find("attention_mask", at)) != std::string::npos;) {
    xml.replace(at, 14, "some_other_name");
  }
  testing::WriteText(graph, xml);
  Session session(Load(folder.path(), EngineKind::kOpenVino));
  try {
    Answers(session, Queries(session, {Greedy()}));
    FAIL() << "took another graph for the encoder";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
    EXPECT_NE(std::string(error.what()).find("encoder.xml: has no input attention_mask"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace uffizi
