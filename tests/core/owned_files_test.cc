#include "core/owned_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/mapped_file.h"
#include "core/owned_folders.h"
#include "support/files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using testing::TemporaryFolder;
using testing::WriteText;
namespace fs = std::filesystem;

template <typename Act>
std::string FailureOf(Act act) {
  try {
    act();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

size_t CountEntries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

// While it lives, files of this process cannot grow beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int);
};

class OwnedFilesTest : public ::testing::Test {
 protected:
  const TemporaryFolder temporary;
  const fs::path root = temporary.path();
};

TEST_F(OwnedFilesTest, ANewFileTakesNoNameThatIsTaken) {
  WriteText(root / "a.txt", "mine");
  fs::create_symlink("nowhere", root / "dangling");
  fs::create_directory(root / "folder");
  for (const char* name : {"a.txt", "dangling", "folder"}) {
    EXPECT_THAT(FailureOf([&] { WriteFile(root / name, "new"); }), ::testing::HasSubstr(name));
    EXPECT_THAT(FailureOf([&] { MakeLink("/etc/passwd", root / name); }),
                ::testing::HasSubstr(name));
  }
  EXPECT_EQ(ReadFile(root / "a.txt"), "mine");
  EXPECT_EQ(fs::read_symlink(root / "dangling"), "nowhere");
  EXPECT_EQ(CountEntries(root), 3u) << "parts are left";
}

TEST_F(OwnedFilesTest, ReplacesOnlyWhatTheCallerHasSeen) {
  WriteText(root / "a.txt", "first");
  OutFile::Naming naming;
  naming.over = IdentityOf(root / "a.txt");
  WriteText(root / "a.txt", "somebody's edit");
  EXPECT_NE(FailureOf([&] { WriteFile(root / "a.txt", "new", naming); }), "");
  EXPECT_EQ(ReadFile(root / "a.txt"), "somebody's edit");
  naming.over = IdentityOf(root / "a.txt");
  WriteFile(root / "a.txt", "new", naming);
  EXPECT_EQ(ReadFile(root / "a.txt"), "new");
}

TEST_F(OwnedFilesTest, ReplacingALinkOrOneOfSeveralNamesLeavesTheOthers) {
  WriteText(root / "target", "kept");
  fs::create_symlink("target", root / "link");
  fs::create_hard_link(root / "target", root / "second");
  for (const char* name : {"link", "second"}) {
    OutFile::Naming naming;
    naming.over = IdentityOf(root / name);
    WriteFile(root / name, "new", naming);
    EXPECT_EQ(ReadFile(root / name), "new");
  }
  EXPECT_EQ(ReadFile(root / "target"), "kept");
}

TEST_F(OwnedFilesTest, AnUnfinishedFileLeavesNothing) {
  {
    OutFile file(root / "sub" / "a.bin");
    file.Write(std::string(200'000, 'x'));
    EXPECT_EQ(CountEntries(root / "sub"), 1u);
  }
  EXPECT_EQ(CountEntries(root / "sub"), 0u);
}

TEST_F(OwnedFilesTest, TheIdentityIsKnownBeforeTheName) {
  const fs::path place = root / "a.txt";
  OutFile::Naming naming;
  std::optional<FileIdentity> told;
  naming.before = [&](const FileIdentity& identity) {
    told = identity;
    EXPECT_FALSE(IdentityOf(place));
  };
  WriteFile(place, std::string(70'000, 'x') + "end", naming);
  EXPECT_EQ(told, IdentityOf(place));
  EXPECT_EQ(ReadFile(place).size(), 70'003u);
}

TEST_F(OwnedFilesTest, OnlyPartsOfTheOwnTokenAreRemoved) {
  WriteText(root / ".uffizi-abc-1-1.part", "");
  WriteText(root / ".uffizi-other-1-1.part", "");
  WriteText(root / "a.part", "");
  RemoveParts(root, "abc");
  EXPECT_FALSE(fs::exists(root / ".uffizi-abc-1-1.part"));
  EXPECT_EQ(CountEntries(root), 2u);
}

TEST_F(OwnedFilesTest, ReopeningCutsNeitherLinksNorFilesOfSeveralNames) {
  WriteText(root / "a", "0123456789");
  close(ReopenFile(root / "a", 6));
  EXPECT_EQ(ReadFile(root / "a"), "012345");
  EXPECT_NE(FailureOf([&] { ReopenFile(root / "a", 7); }), "");
  fs::create_symlink("a", root / "link");
  EXPECT_NE(FailureOf([&] { ReopenFile(root / "link", 2); }), "");
  fs::create_hard_link(root / "a", root / "second");
  EXPECT_NE(FailureOf([&] { ReopenFile(root / "a", 2); }), "");
  EXPECT_EQ(ReadFile(root / "a"), "012345");
}

TEST_F(OwnedFilesTest, ScratchFoldersOfKilledProcessesGo) {
  const fs::path place = root / "model";
  const ScratchFolder alive(place);
  const pid_t child = fork();
  if (child == 0) {
    const ScratchFolder scratch(place);
    WriteText(scratch.path() / "half", "of it");
    _exit(0);  // without destructors
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  fs::create_directory(root / "model.part-mine!!");
  WriteText(root / "model.part-mine!!" / "file", "of a person");
  EXPECT_EQ(CountEntries(root), 3u);
  const ScratchFolder next(place);
  EXPECT_EQ(CountEntries(root), 3u);
  EXPECT_TRUE(fs::exists(alive.path()));
  EXPECT_TRUE(fs::exists(root / "model.part-mine!!" / "file"));
}

TEST_F(OwnedFilesTest, AScratchFolderTakesTheNameOfAnEmptyFolderOnly) {
  for (const char* name : {"new", "empty", "full"}) {
    if (name != std::string("new")) fs::create_directory(root / name);
    if (name == std::string("full")) WriteText(root / name / "mine", "kept");
    const ScratchFolder scratch(root / name);
    fs::create_directory(scratch.path() / "model");
    WriteText(scratch.path() / "model" / "config.json", "{}");
    const std::string failure =
        FailureOf([&] { scratch.MoveOut(scratch.path() / "model", root / name); });
    EXPECT_EQ(failure.empty(), name != std::string("full")) << failure;
  }
  EXPECT_TRUE(fs::exists(root / "empty" / "config.json"));
  EXPECT_EQ(ReadFile(root / "full" / "mine"), "kept");
  EXPECT_EQ(CountEntries(root / "full"), 1u);
  EXPECT_EQ(CountEntries(root), 3u);
}

TEST_F(OwnedFilesTest, MovingOverKeepsEverythingOfOtherNames) {
  const fs::path out = root / "out";
  fs::create_directories(out / "checkpoint");
  WriteText(out / "train.py", "script");
  WriteText(out / "config.json", "old");
  WriteText(out / "checkpoint" / "1.bin", "state");
  const ScratchFolder scratch(out);
  fs::create_directory(scratch.path() / "model");
  WriteText(scratch.path() / "model" / "config.json", "new");
  WriteText(scratch.path() / "model" / "train.py", "another");
  const auto is_config = [](const fs::path& name) { return name == "config.json"; };
  scratch.MoveOver(scratch.path() / "model", out, is_config);
  EXPECT_EQ(ReadFile(out / "config.json"), "new");
  EXPECT_EQ(ReadFile(out / "train.py"), "script");
  EXPECT_EQ(ReadFile(out / "checkpoint" / "1.bin"), "state");
  // A folder of the same name is not replaced, and nothing else either.
  fs::create_directory(scratch.path() / "again");
  WriteText(scratch.path() / "again" / "a.json", "new");
  WriteText(scratch.path() / "again" / "checkpoint", "new");
  EXPECT_NE(FailureOf([&] {
              scratch.MoveOver(scratch.path() / "again", out, [](const fs::path&) { return true; });
            }),
            "");
  EXPECT_FALSE(fs::exists(out / "a.json"));
}

TEST_F(OwnedFilesTest, AnOwnFolderHoldsNothingElse) {
  const fs::path folder = root / "job";
  fs::create_directory(folder);
  // Files with the names of ours belong to the user, unless we have marked the folder.
  for (const char* name : {"thesis.txt", "lock", "journal.json"}) {
    WriteText(folder / name, "mine");
    EXPECT_THAT(FailureOf([&] { OwnFolder(folder, {"journal.json"}, false).Make(); }),
                ::testing::HasSubstr(name));
    EXPECT_EQ(ReadFile(folder / name), "mine");
    fs::remove(folder / name);
  }
  WriteText(root / "file", "mine");
  EXPECT_NE(FailureOf([&] { OwnFolder(root / "file", {}, false); }), "");
  OwnFolder(folder, {"journal.json"}, false).Make();
  WriteText(folder / "journal.json", "ours");
  EXPECT_EQ(FailureOf([&] { OwnFolder(folder, {"journal.json"}, false).Make(); }), "");
}

TEST_F(OwnedFilesTest, AnOwnFolderGoesWithItsFilesIfItWasMadeHere) {
  for (const bool made_before : {false, true}) {
    const fs::path folder = root / "a" / "job";
    if (made_before) fs::create_directories(folder);
    {
      OwnFolder own(folder, {"journal.json"}, false);
      own.Make();
      own.Write("journal.json", "1");
      own.Write("journal.json", "2");
      EXPECT_EQ(ReadFile(own.Place("journal.json")), "2");
      EXPECT_NE(FailureOf([&] { own.Write("other", "1"); }), "");
    }
    OwnFolder own(folder, {"journal.json"}, false);  // another process
    own.Make();
    WriteText(folder / ".uffizi-0-0.part", "of a run that was killed");
    own.RemoveAll();
    EXPECT_EQ(fs::exists(folder), made_before);
  }
}

TEST_F(OwnedFilesTest, FoldersMadeAboveGoIfTheyAreEmpty) {
  fs::create_directory(root / "mine");
  OwnFolder own(root / "mine" / "a" / "b" / "job", {}, false);
  own.Make();
  own.RemoveAll();
  EXPECT_EQ(CountEntries(root / "mine"), 0u);
  own.Make();
  WriteText(root / "mine" / "a" / "answers", "1");
  own.RemoveAll();
  EXPECT_EQ(CountEntries(root / "mine" / "a"), 1u);
}

TEST_F(OwnedFilesTest, AnOwnFolderThatCannotBeMarkedGoesAgain) {
  const FileSizeLimit full(0);
  EXPECT_NE(FailureOf([&] { OwnFolder(root / "a" / "job", {}, false).Make(); }), "");
  EXPECT_EQ(CountEntries(root), 0u);
}

TEST_F(OwnedFilesTest, WhatCameInMeanwhileStays) {
  OwnFolder own(root / "job", {"journal.json"}, false);
  own.Make();
  own.Write("journal.json", "1");
  WriteText(root / "job" / "mine.txt", "kept");
  own.RemoveAll();
  EXPECT_EQ(ReadFile(root / "job" / "mine.txt"), "kept");
  EXPECT_EQ(CountEntries(root / "job"), 1u);
}

TEST_F(OwnedFilesTest, ANamelessFileIsReadAsWrittenAndLeavesNothing) {
  NamelessFile file(root / "a");
  const std::string text(3'000'000, 'x');
  file.Write(text);
  for (int time = 1; time <= 2; ++time) {
    file.Write("end");
    std::string read;
    file.Read([&](std::string_view piece) { read += piece; });
    EXPECT_EQ(read.size(), file.size());
    EXPECT_TRUE(read.ends_with(time == 1 ? "xend" : "endend"));
  }
  EXPECT_EQ(CountEntries(root), 0u);
}

TEST_F(OwnedFilesTest, DownloadsTouchOnlyParts) {
  WriteText(root / "model.safetensors", "mine");
  EXPECT_NE(FailureOf([&] { RemovePart(root / "model.safetensors"); }), "");
  EXPECT_NE(FailureOf([&] { OpenPart(root / "model.safetensors", false); }), "");
  WritePart(root / "model.safetensors.part", "half");
  std::FILE* file = OpenPart(root / "model.safetensors.part", true);
  std::fputs(" and half", file);
  std::fclose(file);
  EXPECT_NE(
      FailureOf([&] { FinishPart(root / "model.safetensors.part", root / "model.safetensors"); }),
      "");
  FinishPart(root / "model.safetensors.part", root / "other");
  EXPECT_EQ(ReadFile(root / "other"), "half and half");
  EXPECT_EQ(ReadFile(root / "model.safetensors"), "mine");
}

}  // namespace
}  // namespace uffizi
