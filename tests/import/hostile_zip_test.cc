// Malicious zips: nothing is written outside the folder, and no more than is allowed for an archive
// of that size.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <string>
#include <utility>

#include "import/artifact.h"
#include "import/hostile.h"
#include "import/zip_archive.h"
#include "support/files.h"
#include "uffizi/models.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::Member;
using testing::MessageOf;
using testing::ReadBytes;
using testing::TemporaryFolder;
using testing::WriteText;
using testing::WriteZip;

TEST(HostileZip, NamesThatLeadOutAreRefused) {
  for (const std::string name :
       {"../evil", "a/../../evil", "/evil", "..", "a\\..\\..\\evil", "c:evil", "a\nb"}) {
    const TemporaryFolder folder;
    WriteZip(folder.path() / "x.zip", {{"good", "1"}, {name, "2"}});
    EXPECT_THAT(MessageOf([&] { Unzip(folder.path() / "x.zip", folder.path() / "deep/out"); }),
                HasSubstr("leads out of the archive"))
        << name;
    EXPECT_FALSE(fs::exists(folder.path() / "deep"));
    EXPECT_FALSE(fs::exists(folder.path() / "evil"));
  }
}

TEST(HostileZip, LinksAndDevicesAreRefused) {
  const std::string special = "a is a link or special file", within = "a is not a folder";
  const std::pair<zip_uint32_t, std::string> kinds[] = {
      {0120777, special},
      {0020666, special},
      {0060666, special},
      {0140666, special},
      {0010644, within}};  // a pipe is a file as any other here
  for (const auto& [mode, message] : kinds) {
    const TemporaryFolder folder;
    WriteZip(folder.path() / "x.zip", {{"a", "/etc/passwd", mode}, {"a/b", "through the link"}});
    EXPECT_THAT(MessageOf([&] { Unzip(folder.path() / "x.zip", folder.path() / "out"); }),
                HasSubstr(message));
    EXPECT_FALSE(fs::exists(folder.path() / "out"));
  }
}

// The graphs of an artifact are zips themselves.
TEST(HostileZip, ZipsInsideAreNoBetter) {
  const TemporaryFolder folder;
  const auto import = [&](const std::vector<Member>& members) {
    WriteZip(folder.path() / "x.zip", members);
    const std::string graph = ReadBytes(folder.path() / "x.zip");
    WriteZip(folder.path() / "x.zip", {{"image_embedding.xml", graph},
                                       {"text_embedding.xml", graph},
                                       {"encoder.xml", graph},
                                       {"decoder.xml", graph}});
    return MessageOf([&] { ImportModel(folder.path() / "x.zip", folder.path() / "out"); });
  };
  EXPECT_THAT(import({{"../../evil.xml", "<net/>"}}), HasSubstr("leads out of the archive"));
  // That it was a link is noted behind all members of a zip, which is not reached: its target is
  // taken for the graph.
  EXPECT_THAT(import({{"a.xml", "/etc/passwd", 0120777}}), HasSubstr("image_embedding.xml"));
  EXPECT_THAT(import({{"a.xml", ""}, {"b.xml", ""}}), HasSubstr("holds two graphs"));
  EXPECT_THAT(import({{"a.bin", ""}}), HasSubstr("holds no graph"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(HostileZip, BombsAreRefused) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x.zip";
  WriteZip(file, {{"zeros", std::string(80 << 20, '\0')}});
  EXPECT_THAT(MessageOf([&] { Unzip(file, folder.path() / "out"); }),
              HasSubstr("unpacks to far more"));
  // The same with a wrong declared size, in the member's header and in the directory.
  std::string bytes = ReadBytes(file);
  const uint32_t size = 80 << 20;
  uint32_t lie = 100;
  const std::string from(reinterpret_cast<const char*>(&size), 4);
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
    std::memcpy(&bytes[at], &lie, 4);
  }
  WriteText(file, bytes);
  EXPECT_THAT(MessageOf([&] { Unzip(file, folder.path() / "out"); }), HasSubstr("is damaged"));
  WriteZip(file, {{"a", "1"}, {"b", std::string(2000, 'x')}});
  EXPECT_THAT(MessageOf([&] { Unzip(file, folder.path() / "out", 1000); }),
              HasSubstr("unpacks to far more"));
  // Many members that share one limit.
  WriteZip(file, std::vector<Member>{
                     {"a", std::string(30 << 20, '\0')},
                     {"b", std::string(30 << 20, '\0')},
                     {"c", std::string(30 << 20, '\0')},
                 });
  EXPECT_THAT(MessageOf([&] { Unzip(file, folder.path() / "new"); }),
              HasSubstr("unpacks to far more"));
  EXPECT_FALSE(fs::exists(folder.path() / "new"));
}

// A member of 2000 bytes that says it has 4 GiB, or 10 bytes.
TEST(HostileZip, SizesThatLieAreRefused) {
  for (const uint32_t lie : {0xfffffff0u, 10u}) {
    const TemporaryFolder folder;
    const fs::path file = folder.path() / "x.zip";
    WriteZip(file, {{"a", std::string(2000, 'x')}});
    std::string bytes = ReadBytes(file);
    const std::string from("\xd0\x07\0\0", 4);
    for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
      std::memcpy(&bytes[at], &lie, 4);
    }
    WriteText(file, bytes);
    EXPECT_THAT(MessageOf([&] { Unzip(file, folder.path() / "out"); }),
                HasSubstr(lie == 10 ? "is damaged" : "unpacks to far more"));
  }
}

TEST(HostileZip, MembersOfOneNameAreRefused) {
  const TemporaryFolder folder;
  WriteZip(folder.path() / "x.zip", {{"a", "1"}, {"./a", "2"}});
  EXPECT_THAT(MessageOf([&] { Unzip(folder.path() / "x.zip", folder.path() / "out"); }),
              HasSubstr("two members of the name a"));
}

TEST(HostileZip, EncryptedMembersAreRefused) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "x.zip").string();
  zip_t* writer = zip_open(file.c_str(), ZIP_CREATE, nullptr);
  ASSERT_NE(writer, nullptr);
  const zip_int64_t index =
      zip_file_add(writer, "a", zip_source_buffer(writer, "1", 1, 0), ZIP_FL_ENC_UTF_8);
  ASSERT_EQ(zip_file_set_encryption(writer, static_cast<zip_uint64_t>(index), ZIP_EM_TRAD_PKWARE,
                                    "secret"),
            0);
  ASSERT_EQ(zip_close(writer), 0);
  EXPECT_THAT(MessageOf([&] { Unzip(folder.path() / "x.zip", folder.path() / "out"); }),
              HasSubstr("encrypted"));
}

}  // namespace
}  // namespace uffizi
