#ifndef UFFIZI_IMAGE_TAG_LAYOUT_H_
#define UFFIZI_IMAGE_TAG_LAYOUT_H_

#include <vector>

#include "image/canvas.h"

namespace uffizi {

// Finds places for label tags: at a corner of their region, inside the picture, and without overlap
// where possible.
class TagLayout {
 public:
  TagLayout(int picture_width, int picture_height)
      : picture_{0, 0, static_cast<double>(picture_width), static_cast<double>(picture_height)} {}

  // The place of a tag of width x height pixels for the region with the bounds `region`. A tag
  // wider or higher than the picture is placed at its top left corner.
  Rect Place(const Rect& region, double width, double height);

 private:
  double Overlap(const Rect& tag) const;
  Rect Clamp(double left, double top, double width, double height) const;

  Rect picture_;
  std::vector<Rect> placed_;
};

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_TAG_LAYOUT_H_
