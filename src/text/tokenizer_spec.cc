#include "text/tokenizer_spec.h"

#include <nlohmann/json.hpp>

#include "core/utf8.h"

namespace uffizi {

std::optional<std::pair<std::string, std::string>> ParseMerge(const std::string& line) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
    return std::nullopt;
  }
  return std::pair(line.substr(0, space), line.substr(space + 1));
}

std::vector<std::string> Florence2Tokens() {
  std::vector<std::string> tokens = {"<od>", "</od>", "<ocr>", "</ocr>"};
  for (int bin = 0; bin < 1000; ++bin) tokens.push_back("<loc_" + std::to_string(bin) + ">");
  // "desciption" is how the released models spell it.
  for (const char* token : {"<cap>",
                            "</cap>",
                            "<ncap>",
                            "</ncap>",
                            "<dcap>",
                            "</dcap>",
                            "<grounding>",
                            "</grounding>",
                            "<seg>",
                            "</seg>",
                            "<sep>",
                            "<region_cap>",
                            "</region_cap>",
                            "<region_to_desciption>",
                            "</region_to_desciption>",
                            "<proposal>",
                            "</proposal>",
                            "<poly>",
                            "</poly>",
                            "<and>"}) {
    tokens.push_back(token);
  }
  return tokens;
}

std::string QuoteToken(const std::string& token) {
  constexpr size_t kMaxBytes = 60;
  const std::string shown = token.size() <= kMaxBytes ? token : token.substr(0, kMaxBytes) + "...";
  return nlohmann::json(ReplaceInvalidUtf8(shown)).dump();
}

}  // namespace uffizi
