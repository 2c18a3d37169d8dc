// Broken tokenizer files and hostile text: an Error or an answer, nothing else.

#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <random>
#include <thread>

#include "text/text_data.h"
#include "uffizi/error.h"

namespace uffizi::testing {
namespace {

using nlohmann::json;

// The code of the Error that loading throws; its message must be one line that names the file.
std::optional<ErrorCode> LoadError(const std::string& content, const std::string& reason = "") {
  try {
    LoadTokenizerJson(content);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("tokenizer.json: "), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message;
    return error.code();
  }
  return std::nullopt;
}

// All single bytes, three merges, two added tokens.
json SmallFile() {
  json file = TextJson("tiny_tokenizer.json.gz");
  json vocab;
  for (const auto& [token, id] : file["model"]["vocab"].items()) {
    if (id.get<int>() < 260) vocab[token] = id;
  }
  vocab["Ġt"] = 260;
  vocab["he"] = 261;
  vocab["Ġthe"] = 262;
  file["model"]["vocab"] = vocab;
  file["model"]["merges"] = json::parse(R"([["Ġ", "t"], ["h", "e"], ["Ġt", "he"]])");
  file["added_tokens"].erase(file["added_tokens"].begin() + 2, file["added_tokens"].end());
  return file;
}

TEST(TokenizerErrors, TruncatedFile) {
  const std::string content = SmallFile().dump();
  ASSERT_EQ(LoadError(content), std::nullopt);
  for (size_t size = 0; size < content.size(); size += 61) {
    EXPECT_EQ(LoadError(content.substr(0, size)), ErrorCode::kInvalidModel) << size;
  }
}

TEST(TokenizerErrors, MissingFiles) {
  const TemporaryFolder folder;
  const auto load_error = [&folder](const std::string& file) -> ErrorCode {
    try {
      Tokenizer::Load(folder.path());
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(load_error("tokenizer.json"), ErrorCode::kInvalidModel);
  WriteText(folder.path() / "vocab.json", R"({"a": 0, "<s>": 1, "</s>": 2})");
  EXPECT_EQ(load_error("merges.txt"), ErrorCode::kInvalidModel);
  WriteText(folder.path() / "merges.txt", "#version: 0.2\na a a\n");
  EXPECT_EQ(load_error("merges.txt: line 2"), ErrorCode::kInvalidModel);
  WriteText(folder.path() / "merges.txt", "\xff\xfe a\n");
  EXPECT_EQ(load_error("merges.txt: merge 0"), ErrorCode::kInvalidModel);
}

TEST(TokenizerErrors, WhatIsSaid) {
  const auto with = [](const char* pointer, const json& value) {
    json file = SmallFile();
    file[json::json_pointer(pointer)] = value;
    return file.dump();
  };
  const ErrorCode invalid = ErrorCode::kInvalidModel, unsupported = ErrorCode::kUnsupported;
  EXPECT_EQ(LoadError(with("/model/merges/0", {"Ġ", "the\nx"}), R"("the\nx")"), invalid);
  EXPECT_EQ(LoadError(with("/model/merges/0", {"h", "h"}), R"("hh" is not in)"), invalid);
  EXPECT_EQ(LoadError(with("/model/merges/1", "h e e"), "merge 1"), invalid);
  EXPECT_EQ(LoadError(with("/model/vocab/he", 260), "the same id"), invalid);
  EXPECT_EQ(LoadError(with("/model/vocab/he", -1), "\"he\""), invalid);
  EXPECT_EQ(LoadError(with("/model/vocab/he", 4000000000), "\"he\""), invalid);
  EXPECT_EQ(LoadError(with("/model/vocab", json::object()), "empty"), invalid);
  EXPECT_EQ(LoadError(with("/model/unk_token", "<none>"), "<none>"), invalid);
  EXPECT_EQ(LoadError(with("/post_processor/cls", {"<s>", 123456}), "123456"), invalid);
  EXPECT_EQ(LoadError(with("/added_tokens/0/id", 1e300), "added_tokens[0]: id"), invalid);
  EXPECT_EQ(LoadError(with("/model/type", "Unigram"), "Unigram"), unsupported);
  EXPECT_EQ(LoadError(with("/model/byte_fallback", true), "byte_fallback"), unsupported);
  EXPECT_EQ(LoadError(with("/model/dropout", 0.1), "dropout"), unsupported);
  EXPECT_EQ(LoadError(with("/model/end_of_word_suffix", "</w>"), "end_of_word"), unsupported);
  EXPECT_EQ(LoadError(with("/normalizer", {{"type", "NFC"}}), "NFC"), unsupported);
  EXPECT_EQ(LoadError(with("/pre_tokenizer/type", "Whitespace"), "Whitespace"), unsupported);
  EXPECT_EQ(LoadError(with("/pre_tokenizer", nullptr), "pre_tokenizer"), unsupported);
  const json bert = {{"type", "BertProcessing"}, {"cls", {"<s>", 0}}, {"sep", {"</s>", 2}}};
  const json twice = {{"type", "Sequence"}, {"processors", {bert, bert}}};
  EXPECT_EQ(LoadError(with("/post_processor", twice), "processors[1]"), unsupported);
  EXPECT_EQ(LoadError(with("/decoder", {{"type", "Fuse"}}), "Fuse"), unsupported);
}

// Every value of the file in turn replaced by one of another type or size, or removed.
TEST(TokenizerErrors, WrongValues) {
  const json file = SmallFile();
  const json values = json::parse(
      R"([null, true, -1, 18446744073709551615, 1e300, 0.5, "", "x", [], [[]], {},
          {"type": "Sequence"}])");
  size_t refused = 0, index = 0;
  const json flat = file.flatten();
  for (const auto& [pointer, ignored] : flat.items()) {
    // All of the vocabulary's entries are alike.
    if (pointer.starts_with("/model/vocab/") && ++index % 40 != 0) continue;
    for (json::json_pointer place(pointer); !place.empty(); place = place.parent_pointer()) {
      for (const json& value : values) {
        json broken = file;
        broken[place] = value;
        if (LoadError(broken.dump())) ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(TokenizerErrors, DeepNesting) {
  const std::string open(200000, '['), close(200000, ']');
  EXPECT_EQ(LoadError(open, "nested too deep"), ErrorCode::kInvalidModel);
  EXPECT_EQ(LoadError(R"({"model": )" + open + close + "}", "nested too deep"),
            ErrorCode::kInvalidModel);
}

TEST(TokenizerErrors, FlippedBytes) {
  const std::string content = SmallFile().dump();
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    std::string broken = content;
    for (int flips = 0; flips < 1 + round % 4; ++flips) {
      broken[random() % broken.size()] = static_cast<char>(random());
    }
    LoadError(broken);
  }
}

TEST(TokenizerText, RandomBytes) {
  const Tokenizer tokenizer = LoadTokenizerJson(TextData("tiny_tokenizer.json.gz"));
  std::mt19937 random(11);
  const std::string alphabet = "a '\xc3\xa9\xe2\x80\x8d\xf0\x9f\x98\x80\n<s>\xed\xa0";
  int encoded = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t size = random() % 8; size > 0; --size) {
      text +=
          random() % 8 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
    }
    try {
      EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(text, false)), text);
      ++encoded;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidPrompt);
    }
  }
  EXPECT_GT(encoded, 1000);
  for (const std::string bad : {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                                "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xc3", "\xe2\x82"}) {
    EXPECT_THROW(tokenizer.Encode(bad), Error);
  }
}

// Quadratic merging of one long word would take minutes here.
TEST(TokenizerText, LongWords) {
  const Tokenizer tokenizer = LoadTokenizerJson(TextData("florence_2_large_tokenizer.json.gz"));
  const std::string words[] = {"a",  "the",      "<loc_",  " ", "\n",
                               "'s", "\xc3\xa9", "<mask>", "7", " <mask>"};
  for (const std::string& word : words) {
    std::string text;
    while (text.size() < 200000) text += word;
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<int> ids = tokenizer.Encode(text, false);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << json(word).dump() << ": "
              << 1e-6 * static_cast<double>(text.size()) / seconds.count() << " MB/s\n";
    if (word != " <mask>") {  // which takes the space with it
      EXPECT_EQ(tokenizer.Decode(ids), text) << word;
    }
  }
}

TEST(TokenizerText, SharedByThreads) {
  const Tokenizer tokenizer = LoadTokenizerJson(TextData("tiny_tokenizer.json.gz"));
  const json corpus = TextJson("corpus.json.gz");
  std::vector<size_t> counts(4);
  std::vector<std::thread> threads;
  for (size_t& count : counts) {
    threads.emplace_back([&tokenizer, &corpus, &count] {
      for (size_t i = 0; i < 2000; ++i) {
        const std::vector<int> ids = tokenizer.Encode(corpus[i].get_ref<const std::string&>());
        count += ids.size() + tokenizer.Decode(ids).size();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const size_t count : counts) EXPECT_EQ(count, counts[0]);
}

}  // namespace
}  // namespace uffizi::testing
