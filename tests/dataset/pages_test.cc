#include "dataset/pages.h"

#include <glob.h>
#include <gmock/gmock.h>

#include <cstdlib>

#include "support/files.h"

namespace uffizi::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::WriteText;
namespace fs = std::filesystem;

fs::path FormatFile(const std::string& name) {
  return fs::path(UFFIZI_TEST_DATA) / "formats" / name;
}

// Each picture's file name as it stands in records, and "!CODE" for errors.
std::vector<std::string> List(const std::vector<std::string>& inputs, const std::string& pages,
                              double every = 0) {
  CollectionOptions options;
  options.pages = ParsePages(pages);
  options.pages.every = every;
  const Collection collection(inputs, options);
  std::vector<std::string> found;
  const auto source = collection.Open();
  for (PictureRef picture; source->Next(picture);) {
    std::string text = fs::path(picture.name).filename().string();
    try {
      if (picture.error) throw *picture.error;
      const std::string bytes = source->Read(100 << 20);
      DecodeOptions decode;
      if (picture.page > 0 && picture.pages > 0) decode.page = picture.page - 1;
      const Image image = DecodeImage(
          {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, picture.name, decode);
      EXPECT_GT(image.width, 0);
    } catch (const Error& error) {
      text += '!';
      text += Name(error.code());
    }
    found.push_back(text);
  }
  return found;
}

TEST(PageSelection, IsReadAsPeopleWriteIt) {
  EXPECT_TRUE(ParsePages("").first_only());
  EXPECT_TRUE(ParsePages("all").Contains(1000));
  const PageSelection some = ParsePages("1-3,7,9-");
  std::vector<size_t> pages;
  for (size_t page = 1; page <= 11; ++page) {
    if (some.Contains(page)) pages.push_back(page);
  }
  EXPECT_THAT(pages, ElementsAre(1, 2, 3, 7, 9, 10, 11));
  for (const char* wrong : {"0", "a", "3-1", "1,", "-2", "1-2-3", "1 2"}) {
    EXPECT_THROW(ParsePages(wrong), Error) << wrong;
  }
  EXPECT_EQ(ParseSeconds("2s"), 2);
  EXPECT_EQ(ParseSeconds("500ms"), 0.5);
  EXPECT_EQ(ParseSeconds("1.5"), 1.5);
  EXPECT_EQ(ParseSeconds("1m"), 60);
  for (const char* wrong : {"", "0", "-1", "2h", "s", "nan"}) {
    EXPECT_THROW(ParseSeconds(wrong), Error) << wrong;
  }
}

TEST(Pages, OfATiff) {
  const std::string file = FormatFile("pages.tif").string();
  EXPECT_THAT(List({file}, ""), ElementsAre("pages.tif"));
  EXPECT_THAT(List({file}, "all"),
              ElementsAre("pages.tif#page=1", "pages.tif#page=2", "pages.tif#page=3"));
  EXPECT_THAT(List({file}, "2-"), ElementsAre("pages.tif#page=2", "pages.tif#page=3"));
  EXPECT_THAT(List({file}, "4"), ElementsAre("pages.tif!invalid_argument"));
}

TEST(Pages, OneBadFileCostsTheOthersNothing) {
  const TemporaryFolder folder;
  WriteText(folder.path() / "a.pdf", "%PDF-1.4 nothing");
  WriteText(folder.path() / "b.txt", "a text");
  fs::copy_file(FormatFile("pages.tif"), folder.path() / "c.tif");
  fs::copy_file(FormatFile("rgb.bmp"), folder.path() / "d.bmp");
  const auto found = List({folder.path().string()}, "all");
  ASSERT_EQ(found.size(), 5u);
  EXPECT_THAT(found[0], HasSubstr("a.pdf!"));
  EXPECT_EQ(found[1], "c.tif#page=1");
  EXPECT_EQ(found[4], "d.bmp");
}

TEST(Pages, OfAnAnimation) {
  const std::string gif = FormatFile("disposal_1.gif").string();  // five frames of 0.2 s
  EXPECT_THAT(List({gif}, "all").size(), 5u);
  EXPECT_THAT(List({gif}, "", 0.4),
              ElementsAre("disposal_1.gif#t=0", "disposal_1.gif#t=0.4", "disposal_1.gif#t=0.8"));
  EXPECT_THAT(List({gif}, "", 0.3), ElementsAre("disposal_1.gif#t=0", "disposal_1.gif#t=0.2",
                                                "disposal_1.gif#t=0.6", "disposal_1.gif#t=0.8"));
  EXPECT_THAT(List({gif}, "", 5), ElementsAre("disposal_1.gif#t=0"));
}

TEST(Folders, CountWhatIsNoPicture) {
  const TemporaryFolder folder;
  for (const char* name : {"a.txt", "b.txt", "deep/c.json", "d", "e.mp4", "f.jpg"}) {
    fs::create_directories((folder.path() / name).parent_path());
    WriteText(folder.path() / name, "x");
  }
  const Collection collection({folder.path().string()}, {});
  const auto source = collection.Open();
  size_t pictures = 0;
  for (PictureRef picture; source->Next(picture);) ++pictures;
  EXPECT_EQ(pictures, 1u);
  EXPECT_EQ(source->left_out(), (LeftOut{{"", 1}, {".json", 1}, {".mp4", 1}, {".txt", 2}}));
}

// ffmpeg is on the PATH, or in the tests' Python environment.
class VideoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* environment = std::getenv("VIRTUAL_ENV");
    if (std::system("ffmpeg -version >/dev/null 2>&1") != 0 && environment != nullptr) {
      const std::string pattern =
          std::string(environment) + "/lib/python3*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*";
      glob_t found = {};
      if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
        fs::create_symlink(found.gl_pathv[0], folder_.path() / "ffmpeg");
        const std::string path = folder_.path().string() + ":" + std::getenv("PATH");
        setenv("PATH", path.c_str(), 1);
      }
      globfree(&found);
    }
    const std::string command =
        "ffmpeg -v error -f lavfi -i testsrc=size=64x48:rate=10:duration=3 "
        "-c:v mpeg4 '" +
        Clip() + "'";
    if (std::system(command.c_str()) != 0) GTEST_SKIP() << "ffmpeg is not here";
  }
  std::string Clip() const { return (folder_.path() / "clip.mp4").string(); }

  TemporaryFolder folder_;
};

TEST_F(VideoTest, FramesAreTakenByTimeAndByNumber) {
  EXPECT_THAT(List({Clip()}, ""), ElementsAre("clip.mp4#frame=1"));
  EXPECT_THAT(List({Clip()}, "", 1), ElementsAre("clip.mp4#t=0", "clip.mp4#t=1", "clip.mp4#t=2"));
  EXPECT_THAT(List({Clip()}, "2-3,5"),
              ElementsAre("clip.mp4#frame=2", "clip.mp4#frame=3", "clip.mp4#frame=5"));
  EXPECT_EQ(List({Clip()}, "all").size(), 30u);
}

TEST_F(VideoTest, DamageIsOneRecord) {
  WriteText(folder_.path() / "bad.mp4", "no video");
  EXPECT_THAT(List({(folder_.path() / "bad.mp4").string(), Clip()}, "", 2),
              ElementsAre("bad.mp4!invalid_image", "clip.mp4#t=0", "clip.mp4#t=2"));
}

}  // namespace
}  // namespace uffizi::dataset
