#include <algorithm>
#include <cctype>
#include <vector>

#include "core/ascii.h"
#include "server/ollama.h"
#include "uffizi/task.h"

namespace uffizi::server {
namespace {

struct Rule {
  Task task;
  std::vector<std::string_view> phrases;  // any of which, as whole words
};

// The first rule that fits counts. docs/doors.md has the same table.
const std::vector<Rule>& Rules() {
  static const std::vector<Rule> rules = {
      {Task::kOcr,
       {"what text", "text in", "text from", "the text", "what does it say", "read", "transcribe",
        "ocr", "written"}},
      {Task::kObjectDetection,
       {"objects", "detect", "keywords", "tags", "labels", "list the things", "list everything"}},
      {Task::kMoreDetailedCaption,
       {"in detail", "in great detail", "detailed", "thorough", "thoroughly",
        "as much as you can"}},
      {Task::kCaption,
       {"one sentence", "a sentence", "short", "brief", "briefly", "caption", "title", "alt text"}},
      {Task::kDetailedCaption,
       {"describe", "description", "what is in", "what's in", "what do you see", "what can you see",
        "what is this", "what is happening", "what's happening", "what is shown"}},
  };
  return rules;
}

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

bool Holds(std::string_view text, std::string_view phrase) {
  for (size_t at = text.find(phrase); at != text.npos; at = text.find(phrase, at + 1)) {
    const size_t end = at + phrase.size();
    const bool begins = at == 0 || !IsWord(text[at - 1]);
    const bool ends = end == text.size() || !IsWord(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

}  // namespace

ProseQuestion QuestionOfProse(std::string_view text) {
  const Question as_it_is{std::nullopt, std::string(text)};
  if (text.starts_with('<')) return {as_it_is};
  // The sentences that the model was trained on.
  for (const TaskInfo& task : AllTasks()) {
    if (task.input == TaskInput::kNone && task.prompt == text) {
      return {{task.task, ""}, /*prose=*/true};
    }
  }
  const std::string lower = ToLower(text);
  for (const Rule& rule : Rules()) {
    const bool fits = std::any_of(rule.phrases.begin(), rule.phrases.end(),
                                  [&](std::string_view phrase) { return Holds(lower, phrase); });
    if (fits) return {{rule.task, ""}, /*prose=*/true};
  }
  return {as_it_is};
}

}  // namespace uffizi::server
