#include "tasks/parsers.h"
#include "tasks/spaces.h"

namespace uffizi {
namespace {

std::string Without(std::string_view token, std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  while (true) {
    const size_t found = text.find(token);
    kept += text.substr(0, found);
    if (found == std::string_view::npos) return kept;
    text.remove_prefix(found + token.size());
  }
}

}  // namespace

std::string ParseText(std::string_view raw) {
  return std::string(Strip(Without("</s>", Without("<s>", raw))));
}

}  // namespace uffizi
