#include "dataset/journal.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>

#include "core/mapped_file.h"
#include "support/files.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

using testing::TemporaryFolder;
namespace fs = std::filesystem;

std::string FailureOf(const fs::path& folder, const JobOptions& options) {
  try {
    Journal journal(folder);
    journal.Begin(options, false);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
}

Checkpoint Done(size_t done) {
  Checkpoint checkpoint;
  checkpoint.done = done;
  checkpoint.lengths = {10};
  return checkpoint;
}

class JournalTest : public ::testing::Test {
 protected:
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "a.job";
};

TEST_F(JournalTest, GoesOnWhereItWas) {
  const JobOptions options = {{"tasks", "od"}};
  const Checkpoint written = {7, 2, 3, 4, 5, 0xfedcba9876543210u, {1000, 0}};
  {
    Journal journal(folder);
    journal.Begin(options, false);
    EXPECT_FALSE(journal.found());
    journal.Write(Done(1));
    journal.Write(written);
  }
  {
    Journal journal(folder);
    EXPECT_EQ(journal.done(), 7u);
    journal.Begin(options, false);
    ASSERT_TRUE(journal.found());
    const Checkpoint& found = *journal.found();
    EXPECT_EQ(found.done, written.done);
    EXPECT_EQ(found.failed, written.failed);
    EXPECT_EQ(found.already_there, written.already_there);
    EXPECT_EQ(found.kept, written.kept);
    EXPECT_EQ(found.outside, written.outside);
    EXPECT_EQ(found.names, written.names);
    EXPECT_EQ(found.lengths, written.lengths);
    journal.Remove();
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(JournalTest, OtherOptionsAreRefusedByName) {
  {
    Journal journal(folder);
    journal.Begin({{"tasks", "od"}, {"model", "m"}}, false);
    journal.Write(Done(3));
  }
  const std::string message = FailureOf(folder, {{"tasks", "caption"}, {"model", "m"}});
  EXPECT_THAT(message, ::testing::HasSubstr("tasks: then od, now caption"));
  EXPECT_THAT(message, ::testing::HasSubstr("--restart"));
  Journal journal(folder);
  journal.Begin({{"tasks", "caption"}, {"model", "m"}}, true);
  EXPECT_FALSE(journal.found());
}

TEST_F(JournalTest, OnlyOneProcessAtATime) {
  const Journal journal(folder);
  EXPECT_THAT(FailureOf(folder, {}), ::testing::HasSubstr("another process"));
}

TEST_F(JournalTest, DamageIsReported) {
  {
    Journal journal(folder);
    journal.Begin({}, false);
    journal.Write(Done(1));
  }
  for (const char* content : {"", "{", "{\"version\": 1}", "{\"version\": 99}",
                              R"({"version": 2, "options": {}, "done": "x"})"}) {
    testing::WriteText(folder / "journal.json", content);
    EXPECT_THAT(FailureOf(folder, {}), ::testing::HasSubstr("unfinished job")) << content;
  }
}

TEST_F(JournalTest, ThatWasNeverWrittenLeavesNothing) {
  { const Journal journal(folder); }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(JournalTest, NothingOfOthersIsTouched) {
  fs::create_directories(folder);
  for (const char* name : {"journal.json", "lock", "thesis.txt"}) {
    testing::WriteText(folder / name, "mine");
    EXPECT_THAT(FailureOf(folder, {}), ::testing::HasSubstr(name));
    EXPECT_EQ(ReadFile(folder / name), "mine");
    fs::remove(folder / name);
  }
  {
    Journal journal(folder, /*by_name=*/false);
    journal.Begin({}, false);
    journal.Write(Done(1));
    testing::WriteText(folder / "thesis.txt", "came meanwhile");
    journal.Remove();
  }
  EXPECT_EQ(ReadFile(folder / "thesis.txt"), "came meanwhile");
  fs::remove(folder / "thesis.txt");
  EXPECT_TRUE(fs::is_empty(folder)) << "the folder was there before";
}

class JobFilesTest : public JournalTest {
 protected:
  // What the next run of a job that was killed sees.
  void NextRun(const std::function<void(JobFiles&)>& look) {
    Journal journal(folder);
    look(journal.files());
    journal.Begin({}, false);
    journal.Write(Done(0));
  }
  fs::path Place(const char* name) const { return temporary.path() / name; }
};

TEST_F(JobFilesTest, KnowsItsOwnAfterAKill) {
  NextRun([&](JobFiles& files) {
    files.Write(Place("a.txt"), "ours");
    files.Write(Place("edited.txt"), "ours");
    files.Write(Place("replaced.txt"), "ours");
    files.Link("a.txt", Place("link"));
    const int grown = files.Grow(Place("grown"));
    EXPECT_EQ(write(grown, "0123456789", 10), 10);
    close(grown);
    EXPECT_FALSE(files.Owns(Place("a.txt"))) << "only what earlier runs made is asked for";
  });
  testing::WriteText(Place("edited.txt"), "somebody's");
  fs::remove(Place("replaced.txt"));
  testing::WriteText(Place("replaced.txt"), "ours");
  testing::WriteText(Place("other.txt"), "somebody's");
  NextRun([&](JobFiles& files) {
    EXPECT_TRUE(files.Owns(Place("a.txt")));
    EXPECT_TRUE(files.Owns(Place("link")));
    EXPECT_TRUE(files.Owns(Place("grown")));
    for (const char* name : {"edited.txt", "replaced.txt", "other.txt"}) {
      EXPECT_TRUE(files.IsOthers(Place(name))) << name;
      EXPECT_THROW(files.Write(Place(name), "new"), Error);
      EXPECT_THROW(files.GrowOn(Place(name), 0), Error);
      EXPECT_THROW(files.Grow(Place(name)), Error);
    }
    files.Write(Place("a.txt"), "again");
    close(files.GrowOn(Place("grown"), 4));
  });
  EXPECT_EQ(ReadFile(Place("a.txt")), "again");
  EXPECT_EQ(ReadFile(Place("grown")), "0123");
  EXPECT_EQ(ReadFile(Place("edited.txt")), "somebody's");
  EXPECT_EQ(ReadFile(Place("replaced.txt")), "ours");
}

TEST_F(JobFilesTest, WhatGrewIsNotCutIfSomebodyHasWrittenToIt) {
  NextRun([&](JobFiles& files) { close(files.Grow(Place("grown"))); });
  testing::WriteText(Place("grown"), "notes added by hand");
  fs::last_write_time(Place("grown"), fs::file_time_type::clock::now() + std::chrono::seconds(10));
  NextRun([&](JobFiles& files) {
    EXPECT_FALSE(files.Owns(Place("grown")));
    EXPECT_THROW(files.GrowOn(Place("grown"), 0), Error);
  });
  EXPECT_EQ(ReadFile(Place("grown")), "notes added by hand");
}

TEST_F(JobFilesTest, ARecordThatWasCutOffIsReadAsFarAsItGoes) {
  NextRun([&](JobFiles& files) { files.Write(Place("a.txt"), "ours"); });
  std::ofstream(folder / "files", std::ios::app) << "0123456789abcdef 01";
  NextRun([&](JobFiles& files) {
    EXPECT_TRUE(files.Owns(Place("a.txt")));
    files.Write(Place("b.txt"), "ours");
  });
  NextRun([&](JobFiles& files) { EXPECT_TRUE(files.Owns(Place("b.txt"))); });
}

}  // namespace
}  // namespace uffizi::dataset
