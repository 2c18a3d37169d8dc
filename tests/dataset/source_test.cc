#include "dataset/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include "dataset/output_names.h"
#include "support/files.h"

namespace uffizi::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::WriteText;
namespace fs = std::filesystem;

// Each picture as NAME=CONTENT, or NAME!CODE; names start after `root`.
std::vector<std::string> List(const Collection& collection, const fs::path& root) {
  std::vector<std::string> found;
  const auto source = collection.Open();
  for (PictureRef picture; source->Next(picture);) {
    std::string text = fs::path(picture.name).lexically_relative(root).string();
    try {
      if (picture.error) throw *picture.error;
      const std::string content = source->Read(1000);
      text += '=';
      text += content;
    } catch (const Error& error) {
      text += std::string("!") + Name(error.code());
    }
    found.push_back(text);
  }
  EXPECT_EQ(collection.Count().value_or(found.size()), found.size());
  return found;
}

void WriteTar(const fs::path& path, const std::vector<std::pair<std::string, std::string>>& files,
              bool compressed = false) {
  archive* writer = archive_write_new();
  archive_write_set_format_ustar(writer);
  if (compressed) archive_write_add_filter_gzip(writer);
  ASSERT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_free(writer);
}

class SourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"b", "a/deep", "drawn"}) fs::create_directories(root / folder);
    for (const char* file : {"z.jpg", "a/2.PNG", "a/10.png", "a/deep/x.webp", "b/1.gif",
                             "b/notes.txt", ".hidden.jpg", "drawn/d.jpg", "b/odd.heic"}) {
      WriteText(root / file, fs::path(file).stem().string());
    }
  }
  TemporaryFolder temporary;
  const fs::path root = temporary.path();
};

TEST_F(SourceTest, FoldersGoDownInTheOrderOfNames) {
  EXPECT_THAT(List(Collection({root.string()}, {"", {root / "drawn/"}}), root),
              ElementsAre("a/10.png=10", "a/2.PNG=2", "a/deep/x.webp=x", "b/1.gif=1",
                          "b/odd.heic=odd", "z.jpg=z"));
}

TEST_F(SourceTest, FilesAreTakenAsTheyAre) {
  EXPECT_THAT(List(Collection({(root / "z.jpg").string(), (root / "b/notes.txt").string(),
                               (root / "gone.jpg").string(), (root / "z.jpg").string()},
                              {}),
                   root),
              ElementsAre("z.jpg=z", "b/notes.txt=notes", "gone.jpg!not_found", "z.jpg=z"));
}

TEST_F(SourceTest, Globs) {
  EXPECT_THAT(List(Collection({(root / "*/*.png").string()}, {}), root),
              ElementsAre("a/10.png=10"));
  EXPECT_THAT(
      List(Collection({(root / "[ab]").string()}, {}), root),
      ElementsAre("a/10.png=10", "a/2.PNG=2", "a/deep/x.webp=x", "b/1.gif=1", "b/odd.heic=odd"));
  EXPECT_THROW(Collection({(root / "*.bmp").string()}, {}), Error);
  WriteText(root / "[odd]*.jpg", "odd");  // a file that is called like a pattern
  EXPECT_THAT(List(Collection({(root / "[odd]*.jpg").string()}, {}), root),
              ElementsAre("[odd]*.jpg=odd"));
}

TEST_F(SourceTest, TarsInTheirOwnOrder) {
  for (const bool compressed : {false, true}) {
    const fs::path tar = root / (compressed ? "shard.tar.gz" : "shard.tar");
    WriteTar(tar, {{"9.jpg", "nine"}, {"9.txt", "a label"}, {"dir/1.png", "one"}}, compressed);
    const Collection collection({tar.string()}, {});
    const std::string name = tar.filename().string();
    EXPECT_THAT(List(collection, root), ElementsAre(name + "/9.jpg=nine", name + "/dir/1.png=one"));
    EXPECT_EQ(collection.Count().has_value(), !compressed);
    PictureRef picture;
    const auto source = collection.Open();
    ASSERT_TRUE(source->Next(picture) && source->Next(picture));
    EXPECT_EQ(picture.stem, "shard/dir/1");
    EXPECT_TRUE(picture.file.empty());
  }
}

TEST_F(SourceTest, CutTarsGiveTheSamePicturesReadOrPassed) {
  const fs::path tar = root / "shard.tar";
  WriteTar(tar, {{"1.jpg", std::string(700, 'a')}, {"2.jpg", std::string(900, 'b')}});
  for (const size_t size : {0u, 100u, 512u, 800u, 1536u, 1700u, 2100u, 2600u, 3000u}) {
    WriteTar(tar, {{"1.jpg", std::string(700, 'a')}, {"2.jpg", std::string(900, 'b')}});
    fs::resize_file(tar, size);
    const Collection collection({tar.string()}, {});
    List(collection, root);  // its check: counting, which passes, agrees with reading
  }
  EXPECT_THAT(List(Collection({(root / "none.tar").string()}, {}), root),
              ElementsAre("none.tar!io_error"));
}

// libarchive would run lrzip to read this.
TEST_F(SourceTest, TarsRunNoPrograms) {
  WriteText(root / "x.tar", std::string("LRZI\0\6", 6) + std::string(100, '\0'));
  PictureRef picture;
  ASSERT_TRUE(OpenTar(root / "x.tar")->Next(picture));
  ASSERT_TRUE(picture.error);
  EXPECT_THAT(picture.error->what(), HasSubstr("Unrecognized archive format"));
}

TEST_F(SourceTest, CsvColumns) {
  WriteText(root / "list.csv", "id,image\n1,a/2.PNG\n2,\"z.jpg\"\n\n3,\n4,gone.png\n");
  EXPECT_THAT(
      List(Collection({(root / "list.csv").string()}, {}), root),
      ElementsAre("a/2.PNG=2", "z.jpg=z", "list.csv: row 3!not_found", "gone.png!not_found"));
  WriteText(root / "list.tsv", "name\tfoto\n1\tz.jpg\n");
  EXPECT_THAT(List(Collection({(root / "list.tsv").string()}, {"foto", {}}), root),
              ElementsAre("z.jpg=z"));
  try {
    Collection({(root / "list.tsv").string()}, {}).Count();
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("there are name, foto"));
  }
}

TEST_F(SourceTest, CsvCellsThatArePictures) {
  WriteText(root / "list.csv", "id,bytes\n1,dGVu\n2,\"data:image/png;base64,Zml2\nZQ==\"\n3,a*b\n");
  const Collection collection({(root / "list.csv").string()}, {});
  EXPECT_THAT(List(collection, root),
              ElementsAre("list.csv/1=ten", "list.csv/2=five", "list.csv/3!invalid_image"));
  PictureRef picture;
  ASSERT_TRUE(collection.Open()->Next(picture));
  EXPECT_EQ(picture.stem, "list/1");
  EXPECT_TRUE(picture.file.empty());
  WriteText(root / "list.csv", "path\n\"data:image/png;base64,dGVu\"\nz.jpg\n");
  EXPECT_THAT(List(Collection({(root / "list.csv").string()}, {}), root),
              ElementsAre("list.csv/1=ten", "z.jpg=z"));
}

TEST_F(SourceTest, ParquetIsRefusedWithAWayOut) {
  try {
    const Collection collection({"x.parquet"}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("CSV"));
  }
}

TEST(OutputNames, NoTwoAlike) {
  OutputNames names;
  EXPECT_EQ(names.Give("sub/cat", "sub/cat.jpg"), "sub/cat");
  EXPECT_EQ(names.Give("sub/cat", "sub/cat.png"), "sub/cat.png");
  EXPECT_EQ(names.Give("sub/cat", "sub/cat.png"), "sub/cat-2");
  EXPECT_EQ(names.Give("cat", "cat.png"), "cat");
}

TEST(OutputNames, StayBelowTheirFolder) {
  EXPECT_EQ(SafeStem("../../etc/passwd.png"), "etc/passwd");
  EXPECT_EQ(SafeStem("/abs/x.tar.jpg"), "abs/x.tar");
  EXPECT_EQ(SafeStem(".."), "picture");
}

}  // namespace
}  // namespace uffizi::dataset
