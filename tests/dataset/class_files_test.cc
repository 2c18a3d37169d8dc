#include "dataset/class_files.h"

#include <gmock/gmock.h>

#include "dataset/class_list.h"
#include "support/files.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

using ::testing::ElementsAre;
using testing::TemporaryFolder;
using testing::WriteText;
using Names = std::vector<std::string>;

// The ways in which Ultralytics' own files and those of labelling tools write them.
TEST(ClassFiles, NamesOfAYaml) {
  const char* const kForms[] = {
      "names: [house, 'traffic light', \"it's\"]\n",
      "path: ds # here\nnames: [ house ,traffic light, \"it's\" ]  # all\ntrain: images\n",
      "names: ['house',\n  'traffic light',\n  'it''s']\nnc: 3\n",
      "names:\n  0: house\n  1: traffic light # red\n  2: it's\n\n# more\ntrain: x\n",
      "names:\n- house\n- traffic light\n- it's\nnc: 3\n",
      "nc: 3\r\nnames:\r\n  - house\r\n  - 'traffic light'\r\n  - \"it's\"\r\n",
      "names: {0: house, 1: traffic light, 2: it's}\n",
      "\xEF\xBB\xBFnames:\n  2: it's\n  0: house\n  1: traffic light\n"};
  for (const char* form : kForms) {
    EXPECT_THAT(ParseYamlNames(form, "data.yaml"), ElementsAre("house", "traffic light", "it's"))
        << form;
  }
  EXPECT_THAT(ParseYamlNames("names: {}\n", ""), ElementsAre());
  EXPECT_THAT(ParseYamlNames("names: []\n", ""), ElementsAre());
}

TEST(ClassFiles, WhatCannotBeReadIsRefused) {
  for (const char* text :
       {"", "train: images\n", "names: [house\n", "names: &all [house]\nother: *all\n",
        "names:\n  1: house\n", "names:\n  house: 0\n", "names: \"house\n", "names: {0 house}\n"}) {
    EXPECT_THROW(ParseYamlNames(text, "data.yaml"), Error) << text;
  }
  EXPECT_THROW(ParseClassLines("a\n\nb\n", "classes.txt"), Error);
  EXPECT_THAT(ParseClassLines("\xEF\xBB\xBF a\r\nb b \n\n", "classes.txt"),
              ElementsAre("a", "b b"));
}

TEST(ClassFiles, OnlyTheNamesOfAYamlChange) {
  const std::string text =
      "# my data\npath: /data\ntrain: images/train\nnc: 1\nnames: [house]\nroboflow: {v: 1}\n";
  const std::string changed = WithYamlNames(text, {"house", "a: \"b\""});
  EXPECT_THAT(ParseYamlNames(changed, ""), ElementsAre("house", "a: \"b\""));
  for (const char* line :
       {"# my data\n", "path: /data\n", "train: images/train\n", "nc: 2\n", "roboflow: {v: 1}\n"}) {
    EXPECT_THAT(changed, ::testing::HasSubstr(line));
  }
  EXPECT_EQ(WithYamlNames(changed, {"house", "a: \"b\""}), changed);
}

TEST(ClassFiles, OwnNamesAreKnownUntilSomebodyChangesThem) {
  const TemporaryFolder folder;
  EXPECT_FALSE(ReadDataSetClasses(folder.path(), false).found);
  const std::string ours = WithYamlNames("", {"house", "apple"});
  WriteText(folder.path() / "data.yaml", ours);
  WriteText(folder.path() / "classes.txt", "house\napple\n");
  EXPECT_TRUE(ReadDataSetClasses(folder.path(), false).ours);
  WriteText(folder.path() / "data.yaml", "val: other\n" + ours);
  EXPECT_TRUE(ReadDataSetClasses(folder.path(), false).ours);
  WriteText(folder.path() / "data.yaml", ours + "  2: \"pear\"\n");
  WriteText(folder.path() / "classes.txt", "house\napple\npear\n");
  const DataSetClasses edited = ReadDataSetClasses(folder.path(), false);
  EXPECT_FALSE(edited.ours);
  EXPECT_THAT(edited.names, ElementsAre("house", "apple", "pear"));
}

TEST(ClassFiles, ThatDisagreeAreRefused) {
  const TemporaryFolder folder;
  WriteText(folder.path() / "data.yaml", "names: [apple, house]\n");
  WriteText(folder.path() / "classes.txt", "house\napple\n");
  EXPECT_THROW(ReadDataSetClasses(folder.path(), false), Error);
  EXPECT_THROW(ReadDataSetClasses(folder.path(), true), Error);
  WriteText(folder.path() / "data.yaml", "names: [house, apple, pear]\n");
  EXPECT_THROW(ReadDataSetClasses(folder.path(), false), Error);
  // A job was killed between the two.
  EXPECT_EQ(ReadDataSetClasses(folder.path(), true).names.size(), 3u);
}

TEST(ClassIndex, AFixedListTakesNoOtherLabels) {
  ClassIndex fixed(FixedClasses({"Traffic Light", "house"}));
  EXPECT_EQ(fixed.FindOrAdd("traffic light"), 0u);
  EXPECT_EQ(fixed.FindOrAdd("house"), 1u);
  EXPECT_EQ(fixed.FindOrAdd("apple"), std::nullopt);
  EXPECT_EQ(fixed.names().size(), 2u);
  EXPECT_THROW(FixedClasses({"house", "House"}), Error);
  EXPECT_THROW(FixedClasses({" "}), Error);
  ClassIndex open({{"house"}, false});
  EXPECT_EQ(open.FindOrAdd("apple"), 1u);
  EXPECT_EQ(open.FindOrAdd("house"), 0u);
}

}  // namespace
}  // namespace uffizi::dataset
