// Names of models.

#include "hub/sources.h"

#include <gtest/gtest.h>

#include <string>

namespace uffizi {
namespace {

TEST(ModelName, OfHuggingFaceAndSparkNlp) {
  for (const char* name :
       {"microsoft/Florence-2-large", "microsoft/Florence-2-base-ft", "a/b", "0/1",
        "some_one/model.v2", "owner/name@v2", "owner/name@refs/pr/3", "owner/name@1.0_rc-2",
        "florence_2_large_int4", "florence_2_x", "florence_2_base_ft_int4"}) {
    EXPECT_TRUE(ModelName::IsOne(name)) << name;
  }
  const std::string longest(96, 'x');
  EXPECT_TRUE(ModelName::IsOne(longest + "/" + longest + "@" + longest));
}

TEST(ModelName, NothingElse) {
  for (const char* name : {"",
                           "/",
                           "name",
                           "owner/",
                           "/name",
                           "//",
                           "a/b/c",
                           "a//b",
                           "./a",
                           "../a",
                           "a/..",
                           "a/b..c",
                           "a/.b",
                           ".a/b",
                           "-a/b",
                           "a/-b",
                           "_a/b",
                           "a/_b",
                           "a b/c",
                           "a/b c",
                           "a/b\n",
                           "a/b?x=1",
                           "a/b#c",
                           "a/b%2e",
                           "a\\b",
                           "http://a/b",
                           "a/b@",
                           "@a/b",
                           "a@b/c",
                           "a/b@/c",
                           "a/b@../../c",
                           "a/b@-c",
                           "a/b@.c",
                           "a/b@c@d",
                           "a/b@c d",
                           "\xc3\xa4/b",
                           "~/model",
                           "florence_2_",
                           "florence_2",
                           "florence_2_Large",
                           "florence_2_large-int4",
                           "florence_2_a.zip",
                           "florence_2_large_int4@v2",
                           "Florence_2_large",
                           "xflorence_2_large"}) {
    EXPECT_FALSE(ModelName::IsOne(name)) << name;
  }
  const std::string too_long(97, 'x');
  EXPECT_FALSE(ModelName::IsOne(too_long + "/a"));
  EXPECT_FALSE(ModelName::IsOne("a/" + too_long));
  EXPECT_FALSE(ModelName::IsOne("a/b@" + too_long));
  EXPECT_FALSE(ModelName::IsOne("florence_2_" + too_long));
  EXPECT_FALSE(ModelName::IsOne(std::string("a/b\0c", 5)));
}

TEST(ModelName, Parts) {
  const ModelName name("owner/name@refs/pr/3");
  EXPECT_EQ(name.repository(), "owner/name");
  EXPECT_EQ(name.revision(), "refs/pr/3");
  EXPECT_EQ(name.key(), "owner--name@refs--pr--3");
  EXPECT_EQ(ModelName("a/b").revision(), "main");
  EXPECT_FALSE(ModelName("florence_2_large_int4").hugging_face());
}

}  // namespace
}  // namespace uffizi
