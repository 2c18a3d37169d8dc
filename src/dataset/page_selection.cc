#include "dataset/page_selection.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

[[noreturn]] void FailPages(const std::string& text) {
  throw Error(ErrorCode::kInvalidArgument,
              "pages must be \"all\", a number from 1, or ranges such as 1-3,7 or 5-, not " + text);
}

size_t ParseNumber(std::string_view text, const std::string& whole) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) FailPages(whole);
  return number;
}

}  // namespace

bool PageSelection::Contains(size_t page) const {
  return std::any_of(ranges.begin(), ranges.end(), [page](const auto& range) {
    return page >= range.first && page <= range.second;
  });
}

PageSelection ParsePages(const std::string& text) {
  constexpr size_t kLast = std::numeric_limits<size_t>::max();
  PageSelection pages;
  if (text.empty()) return pages;
  if (text == "all") {
    pages.ranges.emplace_back(1, kLast);
    return pages;
  }
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const size_t dash = part.find('-');
    const size_t first = ParseNumber(part.substr(0, dash), text);
    size_t last = first;
    if (dash != std::string_view::npos) {
      last = dash + 1 == part.size() ? kLast : ParseNumber(part.substr(dash + 1), text);
    }
    if (last < first) FailPages(text);
    pages.ranges.emplace_back(first, last);
    if (comma == std::string_view::npos) return pages;
    rest = rest.substr(comma + 1);
  }
}

double ParseSeconds(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  double seconds = -1;
  if (unit.empty() || unit == "s") seconds = number;
  if (unit == "ms") seconds = number / 1000;
  if (unit == "m" || unit == "min") seconds = number * 60;
  if (error != std::errc() || !(seconds >= 0.001) || seconds > 1e6) {
    throw Error(ErrorCode::kInvalidArgument,
                "a time between frames must look like 2s, 500ms or 1m, not " + text);
  }
  return seconds;
}

}  // namespace uffizi::dataset
