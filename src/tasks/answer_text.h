#ifndef UFFIZI_TASKS_ANSWER_TEXT_H_
#define UFFIZI_TASKS_ANSWER_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/answer_token.h"

namespace uffizi {

// A token of an answer that stands for geometry.
struct Mark {
  enum class Kind {
    kLocation,      // <loc_N>
    kSeparator,     // <sep>: between the polygons of an instance
    kPolygonBegin,  // <poly>: an instance begins
    kPolygonEnd,    // </poly>
  };
  Kind kind;
  size_t begin, end;                   // bytes of the text
  int64_t bin = 0;                     // kLocation: N, at most kMaxBin
  const AnswerToken* token = nullptr;  // kLocation: what the model said of it, if known
};

// Larger numbers, for which no model has a token, are read as this one. Multiplied by a picture's
// size, it still fits a float.
constexpr int64_t kMaxBin = 2'147'483'647;

// A raw answer prepared for the parsers: <s>, </s> and <pad> removed, and its marks located.
class AnswerText {
 public:
  // `tokens` as for ParseAnswer; they must outlive this. Throws Error(kInvalidArgument) if there
  // are any, but not one location for each `<loc_N>` of `raw`.
  AnswerText(std::string_view raw, std::span<const AnswerToken> tokens);

  const std::string& text() const { return text_; }
  std::span<const Mark> marks() const { return marks_; }  // in the order of the text

  // The probability that the model gave to the words right before the first location of `marks`:
  // the product over their tokens. 1 where there are no words.
  double WordsProbability(std::span<const Mark> marks) const;

 private:
  void LinkTokens(std::string_view raw, std::span<const size_t> origin);

  std::string text_;
  std::vector<Mark> marks_;
  std::span<const AnswerToken> tokens_;
};

// Consecutive marks without text between them.
using MarkRun = std::span<const Mark>;

// The longest prefix of `marks` without text between them. With `locations_only`, other kinds end
// it, and it is empty if the first is of another kind.
MarkRun TouchingMarks(std::span<const Mark> marks, bool locations_only);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_ANSWER_TEXT_H_
