// Artifacts and model folders with random damage from a fixed seed: the result is a model or a
// one-line Error, with little time and memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "core/mapped_file.h"
#include "fuzz/ir_mutator.h"
#include "model/florence2.h"
#include "support/files.h"
#include "text/tokenizer.h"
#include "uffizi/error.h"
#include "uffizi/models.h"

// A declared size must not lead to memory without corresponding data in the file.
extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=512"; }

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::TemporaryFolder;
using testing::WriteText;

const fs::path kArtifact = UFFIZI_FUZZ_SEEDS "/artifact";

// The files below a folder, as paths from there, in order.
std::vector<fs::path> FilesOf(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with('.') && name != "_SUCCESS") {
      files.push_back(entry.path().lexically_relative(folder));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Opens what the engine opens.
void Load(const fs::path& folder) {
  Tokenizer::Load(folder);
  Florence2::Load(folder, Arithmetic::kF32);
}

class Damage : public ::testing::Test {
 protected:
  // A copy of `from` with one or two pieces of damage.
  void CopyDamaged(const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
    const std::vector<fs::path> files = FilesOf(to);
    for (size_t count = 1 + random_() % 2; count > 0; --count) {
      const fs::path file = to / Any(files);
      if (fs::is_regular_file(file)) Harm(file, to / Any(files));
    }
  }

  // Counts what was refused and what was read.
  template <typename Action>
  void Try(const Action& action) {
    const auto begin = std::chrono::steady_clock::now();
    try {
      action();
      ++read_;
    } catch (const Error& error) {
      ++refused_;
      const std::string message = error.what();
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_NE(error.code(), ErrorCode::kInternal) << message;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  }

  std::mt19937 random_{20261125};
  size_t read_ = 0, refused_ = 0;

 private:
  template <typename T>
  T Any(const std::vector<T>& list) {
    return list[random_() % list.size()];
  }

  void Harm(const fs::path& file, const fs::path& other) {
    std::string content = ReadFile(file);
    switch (random_() % 8) {
      case 0:  // bits
        for (size_t i = 0; i < 8 && !content.empty(); ++i) {
          content[random_() % content.size()] ^= static_cast<char>(1 << random_() % 8);
        }
        break;
      case 1:
        content.resize(random_() % (content.size() + 1));
        break;
      case 2:
        if (fs::is_regular_file(other)) content = ReadFile(other);
        break;
      case 3:
        fs::remove(file);
        if (random_() % 2 == 0) fs::create_directory(file);
        return;
      default:
        if (file.extension() == ".xml") {
          content = fuzz::MutateIr(content, random_);
        } else if (file.extension() == ".json" || file.parent_path().filename() == "metadata") {
          content = MutateJson(content);
        } else {  // a number in the head of a table, tensor file or sequence file
          const size_t head = std::min<size_t>(content.size(), 4096);
          if (head > 0) content[random_() % head] = static_cast<char>(random_());
        }
    }
    WriteText(file, content);
  }

  // One to three values become other ones.
  std::string MutateJson(const std::string& text) {
    json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    for (size_t changes = 1 + random_() % 3; changes > 0; --changes) {
      json* at = &value;
      while (at->is_structured() && !at->empty() && (at == &value || random_() % 8 != 0)) {
        at = &*std::next(at->begin(), static_cast<std::ptrdiff_t>(random_() % at->size()));
      }
      *at = Any(kValues);
    }
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  const std::vector<json> kValues = {
      nullptr,        true,         -1,         0,         1,    7,  65536, 16777216, 2147483647,
      4294967296,     INT64_MIN,    UINT64_MAX, 1e308,     -0.5, "", "x\n", "../x",   json::array(),
      json::object(), {0, 1 << 30}, {{{{}}}},   {"a", "b"}};
};

TEST_F(Damage, Artifacts) {
  const TemporaryFolder scratch;
  const fs::path artifact = scratch.path() / "artifact", model = scratch.path() / "model";
  ImportModel(kArtifact, model);
  Load(model);
  for (int i = 0; i < 250; ++i) {
    SCOPED_TRACE(i);
    fs::remove_all(model);
    CopyDamaged(kArtifact, artifact);
    Try([&] {
      ImportModel(artifact, model);
      Load(model);
    });
    if (!fs::exists(model)) {  // nothing is left behind
      EXPECT_EQ(std::distance(fs::directory_iterator(scratch.path()), {}), 1);
    }
  }
  EXPECT_GT(refused_, 100u);
  EXPECT_GT(read_, 25u);
}

TEST_F(Damage, ModelFolders) {
  const TemporaryFolder scratch;
  const fs::path whole = scratch.path() / "whole", model = scratch.path() / "model";
  ImportModel(kArtifact, whole);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(i);
    CopyDamaged(whole, model);
    Try([&] { Load(model); });
  }
  EXPECT_GT(refused_, 100u);
  EXPECT_GT(read_, 25u);
}

}  // namespace
}  // namespace uffizi
