#ifndef UFFIZI_ENGINE_ANSWER_AGREEMENT_H_
#define UFFIZI_ENGINE_ANSWER_AGREEMENT_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "uffizi/types.h"

namespace uffizi {

// Agreement of predicted regions with true ones: COCO's average precision at an IoU of 0.5 of their
// bounding boxes, averaged over the labels of the true ones. At most 100 regions per picture count.
class RegionAgreement {
 public:
  // Adds the answers about one picture, whose size is in pixels.
  void Add(const std::vector<Region>& truth, const std::vector<Region>& found, int width,
           int height);

  // 0..1; nothing if there are no true regions.
  std::optional<double> Ap50() const;
  size_t truths() const { return truths_; }
  size_t found() const { return found_; }

 private:
  struct Detection {
    float score;
    bool right;
  };
  struct Label {
    size_t truths = 0;
    std::vector<Detection> detections;
  };

  std::map<std::string, Label> labels_;
  size_t truths_ = 0, found_ = 0;
};

// The Levenshtein distance in characters: insertions, deletions and replacements.
size_t EditDistance(std::string_view a, std::string_view b);

// Characters of UTF-8 text; each invalid sequence counts as one.
size_t CharacterCount(std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ANSWER_AGREEMENT_H_
