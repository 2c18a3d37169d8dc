#include "engine/draft.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "core/ascii.h"

namespace uffizi {
namespace {

constexpr int kBreak = -1;
constexpr size_t kBoxLocations = 4;
constexpr std::string_view kSpace = "\xC4\xA0";  // as vocabulary files spell a leading space

bool IsWord(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0;
  });
}

// The input within a task's prompt, with punctuation instead of "<and>" between its classes.
std::string InputOf(const TaskInfo& task, const Prompt& prompt) {
  constexpr std::string_view kSeparator = "<and>";
  const size_t before = task.prompt.find('{');
  const size_t after = task.prompt.size() - task.prompt.find('}') - 1;
  if (prompt.text.size() < before + after) return "";  // not made from the task's sentence
  std::string_view left = std::string_view(prompt.text).substr(before);
  left.remove_suffix(after);
  std::string input(task.input == TaskInput::kText ? " " : "");
  while (!left.empty()) {
    const bool separates = left.starts_with(kSeparator);
    input.push_back(separates ? ';' : left.front());
    left.remove_prefix(separates ? kSeparator.size() : 1);
  }
  return input;
}

bool IsArticle(std::string_view text) {
  const std::string word = ToLower(Trim(text));
  return word == "a" || word == "an" || word == "the";
}

}  // namespace

Draft::Draft(const Tokenizer& tokenizer, const LocationTokens& locations, const Prompt& prompt)
    : locations_(locations) {
  const TaskInfo& task = GetTaskInfo(prompt.task);
  if (prompt.task == Task::kRaw || task.input == TaskInput::kNone) return;
  for (const int id : tokenizer.Encode(InputOf(task, prompt), false)) {
    const std::string text = tokenizer.Decode({&id, 1}), spelling = tokenizer.IdToToken(id);
    int first = id;
    if (spelling.starts_with(kSpace)) {
      first = tokenizer.TokenToId(spelling.substr(kSpace.size())).value_or(id);
    }
    words_.push_back(IsWord(text) ? Word{id, first, IsArticle(text)} : Word{kBreak, kBreak, false});
    has_articles_ |= words_.back().is_article;
  }
}

void Draft::Append(int token) {
  copying_ = false;
  for (size_t i = 0; i < words_.size() && !copying_; ++i) {
    const size_t at = (next_ + i) % words_.size();
    if (words_[at].token != token && words_[at].first != token) continue;
    next_ = at + 1;
    copying_ = true;
  }
  ++length_;
  since_label_ = locations_.Contain(token) ? since_label_ + 1 : 0;
}

bool Draft::BeginsLabel(size_t at) const {
  if (has_articles_) return words_[at].is_article;
  return words_[at].token != kBreak && (at == 0 || words_[at - 1].token == kBreak);
}

std::span<const int> Draft::Next(size_t most) {
  guess_.clear();
  const bool begins = length_ == 1 || (since_label_ > 0 && since_label_ % kBoxLocations == 0);
  if (!copying_ && !begins) return {};
  size_t at = next_;
  if (!copying_) {
    while (at < words_.size() && !BeginsLabel(at)) ++at;
    if (at < words_.size() && most > 0) guess_.push_back(words_[at++].first);
  }
  while (guess_.size() < most && at < words_.size() && words_[at].token != kBreak) {
    guess_.push_back(words_[at++].token);
  }
  return guess_;
}

}  // namespace uffizi
