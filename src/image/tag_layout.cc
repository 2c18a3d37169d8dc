#include "image/tag_layout.h"

#include <algorithm>

namespace uffizi {
namespace {

// With more tags than this a picture is full anyway, and comparing all of them would take quadratic
// time.
constexpr size_t kMaxCompared = 400;

}  // namespace

double TagLayout::Overlap(const Rect& tag) const {
  double area = 0;
  for (const Rect& other : placed_) {
    const double width = std::min(tag.right, other.right) - std::max(tag.left, other.left);
    const double height = std::min(tag.bottom, other.bottom) - std::max(tag.top, other.top);
    if (width > 0 && height > 0) area += width * height;
  }
  return area;
}

Rect TagLayout::Clamp(double left, double top, double width, double height) const {
  left = std::max(0.0, std::min(left, picture_.right - width));
  top = std::max(0.0, std::min(top, picture_.bottom - height));
  return {left, top, left + width, top + height};
}

Rect TagLayout::Place(const Rect& region, double width, double height) {
  // By preference: on top of the left corner, below the region, inside its corners, on the right.
  const Rect candidates[] = {
      Clamp(region.left, region.top - height, width, height),
      Clamp(region.left, region.top, width, height),
      Clamp(region.left, region.bottom, width, height),
      Clamp(region.right - width, region.top - height, width, height),
      Clamp(region.right - width, region.top, width, height),
      Clamp(region.left, region.bottom - height, width, height),
      Clamp(region.right - width, region.bottom - height, width, height),
      Clamp(region.right - width, region.bottom, width, height),
      Clamp(region.left, region.top - 2 * height, width, height),
      Clamp(region.left, region.top + height, width, height),
  };
  Rect best = candidates[0];
  double least = Overlap(best);
  for (const Rect& candidate : candidates) {
    if (least == 0) break;
    const double overlap = Overlap(candidate);
    if (overlap < least) {
      least = overlap;
      best = candidate;
    }
  }
  if (placed_.size() < kMaxCompared) placed_.push_back(best);
  return best;
}

}  // namespace uffizi
