#include "tasks/answer_text.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "uffizi/error.h"

namespace uffizi {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The mark that begins at text[at], which is '<'. Only ASCII digits form a location: Python's \d
// would accept those of any script, but no model writes them.
std::optional<Mark> MarkAt(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  const auto fixed = [&](std::string_view token, Mark::Kind kind) -> std::optional<Mark> {
    if (!rest.starts_with(token)) return std::nullopt;
    return Mark{kind, at, at + token.size()};
  };
  constexpr std::string_view kLocation = "<loc_";
  if (rest.starts_with(kLocation)) {
    size_t end = kLocation.size();
    int64_t bin = 0;
    for (; end < rest.size() && IsDigit(rest[end]); ++end) {
      bin = std::min(bin * 10 + (rest[end] - '0'), kMaxBin);
    }
    if (end == kLocation.size() || end == rest.size() || rest[end] != '>') return std::nullopt;
    return Mark{Mark::Kind::kLocation, at, at + end + 1, bin};
  }
  if (auto mark = fixed("<sep>", Mark::Kind::kSeparator)) return mark;
  if (auto mark = fixed("<poly>", Mark::Kind::kPolygonBegin)) return mark;
  return fixed("</poly>", Mark::Kind::kPolygonEnd);
}

std::vector<Mark> FindMarks(std::string_view text) {
  std::vector<Mark> marks;
  for (size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at)) {
    if (const std::optional<Mark> mark = MarkAt(text, at)) {
      marks.push_back(*mark);
      at = mark->end;
    } else {
      ++at;
    }
  }
  return marks;
}

// Removes each `token` from `text`, and the same bytes from `origin`, which has each byte's
// position in the raw answer.
void Remove(std::string_view token, std::string& text, std::vector<size_t>& origin) {
  size_t found = text.find(token);
  if (found == std::string::npos) return;
  size_t kept = found;
  for (size_t at = found; at < text.size(); found = text.find(token, at)) {
    const size_t end = std::min(found, text.size());
    for (; at < end; ++at, ++kept) {
      text[kept] = text[at];
      origin[kept] = origin[at];
    }
    if (found != std::string::npos) at += token.size();
  }
  text.resize(kept);
  origin.resize(kept);
}

}  // namespace

AnswerText::AnswerText(std::string_view raw, std::span<const AnswerToken> tokens)
    : text_(raw), tokens_(tokens) {
  std::vector<size_t> origin(raw.size());
  for (size_t i = 0; i < origin.size(); ++i) origin[i] = i;
  // One after the other, as the processor does, so "<<s>/s>" is removed completely.
  for (const std::string_view token : {"<s>", "</s>", "<pad>"}) Remove(token, text_, origin);
  marks_ = FindMarks(text_);
  if (!tokens_.empty()) LinkTokens(raw, origin);
}

// Removing tokens may have formed a location that the model did not write as one; such a location
// has no token.
void AnswerText::LinkTokens(std::string_view raw, std::span<const size_t> origin) {
  std::vector<const AnswerToken*> locations;
  for (const AnswerToken& token : tokens_) {
    if (token.kind == AnswerToken::Kind::kLocation) locations.push_back(&token);
  }
  size_t next = 0;
  auto mark = marks_.begin();
  for (const Mark& written : FindMarks(raw)) {
    if (written.kind != Mark::Kind::kLocation) continue;
    const size_t index = next++;
    while (mark != marks_.end() && origin[mark->begin] < written.begin) ++mark;
    if (mark != marks_.end() && origin[mark->begin] == written.begin && index < locations.size()) {
      mark->token = locations[index];
    }
  }
  if (next != locations.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the answer has " + std::to_string(next) + " locations but " +
                    std::to_string(locations.size()) + " log-probabilities were given");
  }
}

double AnswerText::WordsProbability(std::span<const Mark> marks) const {
  const auto first = std::find_if(marks.begin(), marks.end(),
                                  [](const Mark& mark) { return mark.token != nullptr; });
  if (first == marks.end()) return 1;
  double sum = 0;
  for (const AnswerToken* token = first->token; token != tokens_.data();) {
    --token;
    if (token->kind == AnswerToken::Kind::kLocation) break;
    if (token->kind == AnswerToken::Kind::kText) sum += double{token->logprob};
  }
  return std::exp(sum);
}

MarkRun TouchingMarks(std::span<const Mark> marks, bool locations_only) {
  size_t count = 0;
  while (count < marks.size() && (count == 0 || marks[count - 1].end == marks[count].begin) &&
         (!locations_only || marks[count].kind == Mark::Kind::kLocation)) {
    ++count;
  }
  return marks.first(count);
}

}  // namespace uffizi
