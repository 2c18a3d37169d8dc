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

// How well boxes found agree with true ones: COCO's average precision at an IoU of 0.5, the mean
// over the labels that are among the true ones. At most 100 boxes of a picture count.
class BoxAgreement {
 public:
  // The answers about one picture.
  void Add(const std::vector<Region>& truth, const std::vector<Region>& found);

  // 0..1; nothing if there are no true boxes.
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

// The fewest characters to put in, take out or replace that make one text of the other.
size_t EditDistance(std::string_view a, std::string_view b);

// Of UTF-8; what is not counts as one character a piece.
size_t CharacterCount(std::string_view text);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_ANSWER_AGREEMENT_H_
