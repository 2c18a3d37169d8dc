#include "dataset/journal.h"

#include <gmock/gmock.h>

#include "support/files.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

using testing::TemporaryFolder;
namespace fs = std::filesystem;

std::string FailureOf(const fs::path& folder, const JobOptions& options) {
  try {
    const Journal journal(folder, options, false);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
}

TEST(Journal, GoesOnWhereItWas) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a.job";
  const JobOptions options = {{"tasks", "od"}};
  {
    Journal journal(folder, options, false);
    EXPECT_FALSE(journal.found());
    journal.Write({1, 0, 5, {100}});
    journal.Write({7, 2, 0xfedcba9876543210u, {1000, 0}});
  }
  {
    Journal journal(folder, options, false);
    ASSERT_TRUE(journal.found());
    EXPECT_EQ(journal.found()->done, 7u);
    EXPECT_EQ(journal.found()->failed, 2u);
    EXPECT_EQ(journal.found()->names, 0xfedcba9876543210u);
    EXPECT_EQ(journal.found()->lengths, (std::vector<uint64_t>{1000, 0}));
    journal.Remove();
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST(Journal, OtherOptionsAreRefusedByName) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a.job";
  Journal(folder, {{"tasks", "od"}, {"model", "m"}}, false).Write({3, 0, 1, {10}});
  const std::string message = FailureOf(folder, {{"tasks", "caption"}, {"model", "m"}});
  EXPECT_THAT(message, ::testing::HasSubstr("tasks: then od, now caption"));
  EXPECT_THAT(message, ::testing::HasSubstr("--restart"));
  EXPECT_FALSE(Journal(folder, {{"tasks", "caption"}, {"model", "m"}}, true).found());
}

TEST(Journal, OnlyOneProcessAtATime) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a.job";
  const Journal journal(folder, {}, false);
  EXPECT_THAT(FailureOf(folder, {}), ::testing::HasSubstr("another process"));
}

TEST(Journal, DamageIsReported) {
  const TemporaryFolder temporary;
  for (const char* content : {"", "{", "{\"version\": 1}", "{\"version\": 99}",
                              R"({"version": 1, "options": {}, "done": "x"})"}) {
    testing::WriteText(temporary.path() / "journal.json", content);
    EXPECT_THAT(FailureOf(temporary.path(), {}), ::testing::HasSubstr("unfinished job")) << content;
  }
}

TEST(Journal, ThatWasNeverWrittenLeavesNothing) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a.job";
  { const Journal journal(folder, {}, false); }
  EXPECT_FALSE(fs::exists(folder));
}

}  // namespace
}  // namespace uffizi::dataset
