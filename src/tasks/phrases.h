#ifndef UFFIZI_TASKS_PHRASES_H_
#define UFFIZI_TASKS_PHRASES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/answer_text.h"

namespace uffizi {

// Words and the marks that follow them.
struct Phrase {
  std::string_view words;  // of the answer's text, not stripped, without '<'
  MarkRun marks;           // at least four
};

// Every phrase of the answer: characters other than '<', then at least four touching marks. With
// `locations_only` the marks are locations. This matches the processor's pattern
// `([^<]+(?:<loc_\d+>...){4,})`: if no word precedes the marks, part of the first mark is taken as
// one, so five bare locations are four locations labelled "loc_1>".
std::vector<Phrase> FindPhrases(const AnswerText& answer, bool locations_only);

// Every maximal run of at least four touching marks, whatever precedes it.
std::vector<MarkRun> FindBareMarks(const AnswerText& answer, bool locations_only);

// The label that the processor makes from a phrase's words: stripped. Nothing if the words are on
// several lines; the phrase is then dropped.
std::optional<std::string_view> Label(std::string_view words);

// `text` without its non-ASCII characters.
std::string AsciiOnly(std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_PHRASES_H_
