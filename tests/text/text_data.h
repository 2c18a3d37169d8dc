#ifndef UFFIZI_TESTS_TEXT_TEXT_DATA_H_
#define UFFIZI_TESTS_TEXT_TEXT_DATA_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "support/files.h"
#include "text/tokenizer.h"

namespace uffizi::testing {

// A file of tests/data/text, made by tests/golden/make_text.py.
inline std::string TextData(const std::string& name) {
  return ReadGzip(std::filesystem::path(UFFIZI_TEST_DATA) / "text" / name);
}

inline nlohmann::json TextJson(const std::string& name) {
  return nlohmann::json::parse(TextData(name));
}

inline Tokenizer LoadTokenizerJson(const std::string& content) {
  const TemporaryFolder folder;
  WriteText(folder.path() / "tokenizer.json", content);
  return Tokenizer::Load(folder.path());
}

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_TEXT_TEXT_DATA_H_
