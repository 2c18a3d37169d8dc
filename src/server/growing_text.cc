#include "server/growing_text.h"

namespace uffizi::server {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

GrowingText::GrowingText(const Question& question, bool whole_only)
    : task_(question.answer_as.value_or(PromptsOf(question, {}, 1000, 1000).front().task)),
      whole_only_(whole_only || GetTaskInfo(task_).shape != AnswerShape::kText) {}

std::string GrowingText::Take(const Job::News& news) {
  std::string grown;
  for (const Job::Text& text : news.texts) {
    if (text.only_grows && !whole_only_) {
      grown += Grow(ParseAnswer(task_, text.text, 0, 0).text, /*whole=*/false);
    }
  }
  return grown;
}

std::string GrowingText::Grow(std::string_view content, bool whole) {
  // A character whose bytes are incomplete is a replacement character for now.
  while (!whole && content.ends_with(kReplacement)) content.remove_suffix(kReplacement.size());
  if (!content.starts_with(sent_)) return "";
  std::string grown(content.substr(sent_.size()));
  sent_ = content;
  return grown;
}

}  // namespace uffizi::server
