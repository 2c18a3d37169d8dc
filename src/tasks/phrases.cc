#include "tasks/phrases.h"

#include <algorithm>

#include "tasks/strings.h"

namespace uffizi {
namespace {

constexpr size_t kMinMarks = 4;

// Calls visit(run) for the longest runs of touching marks, in order.
template <typename Visit>
void ForEachRun(std::span<const Mark> marks, bool locations_only, const Visit& visit) {
  while (!marks.empty()) {
    const MarkRun run = TouchingMarks(marks, locations_only);
    if (!run.empty()) visit(run);
    marks = marks.subspan(std::max<size_t>(run.size(), 1));
  }
}

}  // namespace

std::vector<Phrase> FindPhrases(const AnswerText& answer, bool locations_only) {
  const std::string_view text = answer.text();
  std::vector<Phrase> phrases;
  size_t free = 0;  // the first byte that belongs to no phrase
  ForEachRun(answer.marks(), locations_only, [&](MarkRun run) {
    const size_t before = run.front().begin;
    const size_t bracket = before == 0 ? std::string_view::npos : text.rfind('<', before - 1);
    size_t begin = std::max(free, bracket == std::string_view::npos ? 0 : bracket + 1);
    size_t end = before;
    if (begin == end) {
      begin = run.front().begin + 1;
      end = run.front().end;
      run = run.subspan(1);
    }
    if (run.size() < kMinMarks) return;
    phrases.push_back({text.substr(begin, end - begin), run});
    free = run.back().end;
  });
  return phrases;
}

std::vector<MarkRun> FindBareMarks(const AnswerText& answer, bool locations_only) {
  std::vector<MarkRun> runs;
  ForEachRun(answer.marks(), locations_only, [&](MarkRun run) {
    if (run.size() >= kMinMarks) runs.push_back(run);
  });
  return runs;
}

std::optional<std::string_view> Label(std::string_view words) {
  words = StripLeft(words);
  if (words.find('\n') != std::string_view::npos) return std::nullopt;
  return StripRight(words);
}

std::string AsciiOnly(std::string_view text) {
  std::string ascii;
  std::copy_if(text.begin(), text.end(), std::back_inserter(ascii),
               [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii;
}

}  // namespace uffizi
