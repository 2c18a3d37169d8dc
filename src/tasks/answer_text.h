#ifndef UFFIZI_TASKS_ANSWER_TEXT_H_
#define UFFIZI_TASKS_ANSWER_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
  size_t begin, end;                  // bytes of the text
  int64_t bin = 0;                    // kLocation: N, at most kMaxBin
  std::optional<float> logprob = {};  // kLocation: as the model gave it
};

// Larger numbers, for which no model has a token, are read as this one. Multiplied by a picture's
// size, it still fits a float.
constexpr int64_t kMaxBin = 2'147'483'647;

// A raw answer prepared for the parsers: <s>, </s> and <pad> removed, and its marks located.
class AnswerText {
 public:
  // `location_logprobs` as for ParseAnswer. Throws Error(kInvalidArgument) unless it is empty or
  // has one entry for each `<loc_N>` of `raw`.
  AnswerText(std::string_view raw, std::span<const float> location_logprobs);

  const std::string& text() const { return text_; }
  std::span<const Mark> marks() const { return marks_; }  // in the order of the text

 private:
  std::string text_;
  std::vector<Mark> marks_;
};

// Consecutive marks without text between them.
using MarkRun = std::span<const Mark>;

// The longest prefix of `marks` without text between them. With `locations_only`, other kinds end
// it, and it is empty if the first is of another kind.
MarkRun TouchingMarks(std::span<const Mark> marks, bool locations_only);

// exp(mean log-probability) of those locations that have one; 0 if none has.
float LocationScore(std::span<const Mark> locations);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_ANSWER_TEXT_H_
