#ifndef UFFIZI_IMPORT_VISUAL_EMBEDDINGS_H_
#define UFFIZI_IMPORT_VISUAL_EMBEDDINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "import/layer_matcher.h"

namespace uffizi {

inline constexpr const char* kProjector = "model.multi_modal_projector.";

// The position and time embeddings that the projector adds to image features. They are stored in
// the matcher's model.
class VisualEmbeddings {
 public:
  // The features to which they are added.
  struct Map {
    int64_t height, width;
    int channels;
  };

  VisualEmbeddings(LayerMatcher& match, const Map& map) : match_(match), map_(map) {}

  // Tables of columns and rows, joined or folded into one. Returns how many rows each has.
  int TakePositions(const PlainValue& positions);
  // A table of frames, or its first row; null if it is folded into the positions.
  void TakeTime(const PlainValue* time);

 private:
  int TakeTables(const PlainOp& joined);
  void CheckDirection(const PlainValue& value, size_t axis) const;
  int TakeFolded(const PlainOp& op);
  void PutTable(const std::string& name, size_t rows, std::vector<float> values);

  LayerMatcher& match_;
  const Map map_;
};

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_VISUAL_EMBEDDINGS_H_
