// The tokenizer against the `tokenizers` library's own answers; see tests/golden/make_text.py.

#include <gtest/gtest.h>

#include "text/text_data.h"

namespace uffizi::testing {
namespace {

using nlohmann::json;

uint32_t Crc(uint32_t crc, const std::vector<int>& ids) {
  if (ids.empty()) return crc;  // whose data() may be null, which zlib takes for a reset
  return static_cast<uint32_t>(crc32(crc, reinterpret_cast<const Bytef*>(ids.data()),
                                     static_cast<uInt>(ids.size() * sizeof(int))));
}

void ExpectCorpus(const Tokenizer& tokenizer, const json& golden) {
  const json corpus = TextJson("corpus.json.gz");
  ASSERT_EQ(corpus.size(), 20000u);
  ASSERT_EQ(golden["crcs"].size(), corpus.size());
  size_t wrong = 0;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const auto& text = corpus[i].get_ref<const std::string&>();
    const std::vector<int> with = tokenizer.Encode(text), without = tokenizer.Encode(text, false);
    if (i < golden["ids"].size()) {
      EXPECT_EQ(with, golden["ids"][i][0].get<std::vector<int>>()) << corpus[i];
      EXPECT_EQ(without, golden["ids"][i][1].get<std::vector<int>>()) << corpus[i];
    }
    if (Crc(Crc(0, with), without) != golden["crcs"][i].get<uint32_t>() && ++wrong <= 10) {
      ADD_FAILURE() << "string " << i << ": " << corpus[i];
    }
  }
  EXPECT_EQ(wrong, 0u);
}

void ExpectDecoded(const Tokenizer& tokenizer, const json& golden) {
  for (const json& item : golden["decoded"]) {
    const auto ids = item[0].get<std::vector<int>>();
    EXPECT_EQ(tokenizer.Decode(ids), item[1].get<std::string>()) << item[0];
    EXPECT_EQ(tokenizer.Decode(ids, true), item[2].get<std::string>()) << item[0];
  }
}

void ExpectCases(const Tokenizer& tokenizer, const json& golden) {
  EXPECT_EQ(tokenizer.vocab_size(), golden["size"].get<int>());
  for (const json& item : golden["cases"]) {
    const auto& text = item[0].get_ref<const std::string&>();
    EXPECT_EQ(tokenizer.Encode(text), item[1].get<std::vector<int>>()) << item[0];
    EXPECT_EQ(tokenizer.Encode(text, false), item[2].get<std::vector<int>>()) << item[0];
  }
}

TEST(TokenizerGolden, TinyCorpus) {
  const Tokenizer tokenizer = LoadTokenizerJson(TextData("tiny_tokenizer.json.gz"));
  const json golden = TextJson("tiny.json.gz");
  ExpectCorpus(tokenizer, golden);
  ExpectDecoded(tokenizer, golden);
}

TEST(TokenizerGolden, LargeCorpus) {
  const Tokenizer tokenizer = LoadTokenizerJson(TextData("florence_2_large_tokenizer.json.gz"));
  const json golden = TextJson("large.json.gz");
  ExpectCorpus(tokenizer, golden);
  ExpectDecoded(tokenizer, golden);
}

TEST(TokenizerGolden, Settings) {
  const json tiny = TextJson("tiny_tokenizer.json.gz");
  for (const json& golden : TextJson("variants.json.gz")) {
    SCOPED_TRACE(golden["name"].get<std::string>());
    json file = tiny;
    file.merge_patch(golden["patch"]);
    ExpectCases(LoadTokenizerJson(file.dump()), golden);
  }
}

TEST(TokenizerGolden, VocabAndMerges) {
  const json tiny = TextJson("tiny_tokenizer.json.gz");
  std::string merges = "#version: 0.2\n";
  for (const json& merge : tiny["model"]["merges"]) {
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  }
  for (const json& golden : TextJson("folders.json.gz")) {
    SCOPED_TRACE(golden["name"].get<std::string>());
    const TemporaryFolder folder;
    WriteText(folder.path() / "vocab.json", tiny["model"]["vocab"].dump());
    WriteText(folder.path() / "merges.txt", merges);
    for (const auto& [name, content] : golden["files"].items()) {
      WriteText(folder.path() / name, content.dump());
    }
    ExpectCases(Tokenizer::Load(folder.path()), golden);
  }
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto push = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return push(code);
  if (code < 0x800) {
    push(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      push(0xe0 | code >> 12);
    } else {
      push(0xf0 | code >> 18);
      push(0x80 | (code >> 12 & 0x3f));
    }
    push(0x80 | (code >> 6 & 0x3f));
  }
  push(0x80 | (code & 0x3f));
}

// Every code point beside a letter, a number, a sign, a space, itself and a single-word token.
std::string CodePointText(uint32_t first) {
  std::string text;
  for (uint32_t code = first; code < first + 256; ++code) {
    if (code >= 0xd800 && code < 0xe000) continue;
    std::string c;
    AppendUtf8(code, c);
    text += "a" + c + "a1" + c + "1!" + c + "! " + c + " " + c + c + "X ";
  }
  return text;
}

TEST(TokenizerGolden, AllCodePoints) {
  json file = TextJson("tiny_tokenizer.json.gz");
  file["added_tokens"] = json::parse(
      R"([{"id": 513, "content": "X", "single_word": true, "lstrip": false, "rstrip": false,
           "normalized": true, "special": false}])");
  const Tokenizer tokenizer = LoadTokenizerJson(file.dump());
  const json golden = TextJson("codepoints.json.gz");
  ASSERT_EQ(golden.size(), 0x1100u);
  for (uint32_t block = 0; block < golden.size(); ++block) {
    const std::string text = CodePointText(block * 256);
    ASSERT_EQ(Crc(0, tokenizer.Encode(text)), golden[block].get<uint32_t>())
        << "block of U+" << std::hex << block * 256;
  }
}

TEST(TokenizerGolden, LocationsAndIds) {
  const Tokenizer tiny = LoadTokenizerJson(TextData("tiny_tokenizer.json.gz"));
  const Tokenizer large = LoadTokenizerJson(TextData("florence_2_large_tokenizer.json.gz"));
  EXPECT_EQ(tiny.vocab_size(), 1537);
  EXPECT_EQ(large.vocab_size(), 51289);
  EXPECT_EQ(tiny.TokenToId("<loc_0>"), 517);
  EXPECT_EQ(large.TokenToId("<loc_0>"), 50269);
  EXPECT_EQ(large.TokenToId("<and>"), 51288);
  EXPECT_EQ(large.TokenToId("<od>"), 50265);
  EXPECT_EQ(large.TokenToId("Ġthe"), 5);
  EXPECT_EQ(large.TokenToId("no such token"), std::nullopt);
  EXPECT_EQ(large.IdToToken(5), "Ġthe");
  EXPECT_EQ(large.IdToToken(-1), "");
  EXPECT_EQ(large.IdToToken(51289), "");
  EXPECT_EQ(large.LocationBin(50269), 0);
  EXPECT_EQ(large.LocationBin(51268), 999);
  for (const int id : {-1, 0, 50268, 51269, 51289, 1 << 30}) {
    EXPECT_EQ(large.LocationBin(id), std::nullopt) << id;
  }
  EXPECT_EQ(large.Decode(std::vector<int>{-5, 1 << 30, 5, 51289}), " the");
}

}  // namespace
}  // namespace uffizi::testing
