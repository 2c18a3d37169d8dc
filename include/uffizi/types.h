#ifndef UFFIZI_TYPES_H_
#define UFFIZI_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "uffizi/fields.h"
#include "uffizi/names.h"

namespace uffizi {

// A borrowed picture: 8-bit RGB, interleaved, rows `stride` bytes apart.
struct ImageView {
  const uint8_t* data = nullptr;
  int width = 0;      // pixels
  int height = 0;     // pixels
  size_t stride = 0;  // bytes from one row to the next
};

// An owned picture: 8-bit RGB, interleaved, rows packed.
struct Image {
  int width = 0;                // pixels
  int height = 0;               // pixels
  std::vector<uint8_t> pixels;  // [height, width, 3]

  ImageView view() const { return {pixels.data(), width, height, static_cast<size_t>(width) * 3}; }
};

// Corners in pixels of the original picture, (x1, y1) top left. A model may answer with inverted
// boxes (x2 < x1), which are not changed.
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

// x, y, x, y, ... in pixels of the original picture.
using Polygon = std::vector<float>;

// The form of an answer; see tasks/ for the text that each one is parsed from.
enum class AnswerShape {
  kText,            // a string
  kBoxes,           // labelled boxes
  kQuads,           // labelled quadrilaterals (OCR)
  kPolygons,        // labelled instances, each of one or more polygons
  kOpenVocabulary,  // boxes and polygons mixed
};

template <>
struct EnumNames<AnswerShape> {
  static constexpr std::pair<AnswerShape, const char*> kAll[] = {
      {AnswerShape::kText, "text"},
      {AnswerShape::kBoxes, "boxes"},
      {AnswerShape::kQuads, "quads"},
      {AnswerShape::kPolygons, "polygons"},
      {AnswerShape::kOpenVocabulary, "open_vocabulary"}};
};

// A region that the model found. The answer's shape determines which geometry is set; a region of
// kOpenVocabulary has polygons, or else a box.
struct Region {
  std::string label;              // "" in region proposals
  Box box;                        // kBoxes, kOpenVocabulary
  Polygon quad;                   // kQuads: 8 numbers, clockwise from the text's top left
  std::vector<Polygon> polygons;  // kPolygons, kOpenVocabulary
  // How likely the region is right, 0..1: its label, and an IoU of at least 0.5 with the true one.
  //   score = P(label) * (P(location 1) * ... * P(location n))^(4 / n)
  // P(label) is the product of its tokens' probabilities, P(location) the probability that the
  // model gave to locations at most t = (1 - sqrt(1/2)) / 2 of the region's width or height from
  // the one it chose: with all sides of a box off by that, (1 - 2t)^2 = 0.5 of it is left. A box
  // has four locations; those of quads and polygons count as much as four. See docs/model.md for
  // measurements. None if the model's probabilities are not known, as in ParseAnswer().
  std::optional<float> score = std::nullopt;
};

// A parsed answer.
struct Answer {
  AnswerShape shape = AnswerShape::kText;
  std::string text;             // kText: the answer itself
  std::vector<Region> regions;  // every other shape
};

// Wall-clock seconds of each stage for one result. Stages shared by several tasks on one picture
// are counted in the first of them and are 0 in the others.
struct Timings {
  double decode = 0;          // picture file to pixels
  double preprocess = 0;      // resample and normalize
  double vision_encoder = 0;  // DaViT and projector
  double text_encoder = 0;    // prompt and BART encoder, cross-attention keys and values
  double decoder = 0;         // token generation
  double parse = 0;           // answer text to regions
  double total = 0;
};

inline constexpr std::tuple kTimingFields{
    Field{"decode", &Timings::decode},
    Field{"preprocess", &Timings::preprocess},
    Field{"vision_encoder", &Timings::vision_encoder},
    Field{"text_encoder", &Timings::text_encoder},
    Field{"decoder", &Timings::decoder},
    Field{"parse", &Timings::parse},
    Field{"total", &Timings::total},
};

// The result of one task on one picture.
struct Result {
  std::string task;            // "<OD>", or "" for a raw prompt
  std::string prompt;          // the sentence given to the model
  std::string text;            // the raw answer, special tokens included
  std::vector<int> token_ids;  // the generated ids, without the decoder's start token
  // Of each id: the natural logarithm of the model's own probability, before the search's rules.
  std::vector<float> token_logprobs;
  Answer answer;
  bool truncated = false;  // the answer reached the length limit
  int width = 0;           // of the picture, pixels
  int height = 0;
  Timings timings;
};

}  // namespace uffizi

#endif  // UFFIZI_TYPES_H_
