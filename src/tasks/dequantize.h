#ifndef UFFIZI_TASKS_DEQUANTIZE_H_
#define UFFIZI_TASKS_DEQUANTIZE_H_

#include <span>

#include "tasks/answer_text.h"
#include "uffizi/types.h"

namespace uffizi {

// A picture's size, and the conversion between pixels and the model's 1000 x 1000 bins (the
// processor's `quantize` and `dequantize`).
struct PictureSize {
  int width, height;  // pixels

  // The middle of a bin: (bin + 0.5) * size / 1000, computed in double and rounded once.
  // Microsoft's processor works in float and may differ in the last place.
  float X(const Mark& location) const;
  float Y(const Mark& location) const;

  Box ToBox(std::span<const Mark> four_locations) const;
  // x, y, x, y, ... of the locations; the last of an odd number of them is dropped.
  Polygon ToPolygon(std::span<const Mark> locations) const;
};

// The bin of a coordinate in pixels: floor(x / (size / 1000)), clamped to 0..999. Computed in float
// as the processor does, so that a corner falls into the same bin. size > 0.
int QuantizeCoordinate(double pixels, int size);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_DEQUANTIZE_H_
