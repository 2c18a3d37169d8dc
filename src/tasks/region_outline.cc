#include "tasks/region_outline.h"

#include <algorithm>
#include <limits>

namespace uffizi {

Box BoundingBox(const Region& region, int width, int height) {
  Box box;
  if (region.polygons.empty() && region.quad.empty()) {
    const Box& given = region.box;  // may be inverted
    box = {std::min(given.x1, given.x2), std::min(given.y1, given.y2), std::max(given.x1, given.x2),
           std::max(given.y1, given.y2)};
  } else {
    constexpr float kFar = std::numeric_limits<float>::max();
    box = {kFar, kFar, -kFar, -kFar};
    // Includes all points, also those of polygons that are too short for an outline.
    std::vector<Polygon> polygons = region.polygons;
    if (polygons.empty()) polygons.push_back(region.quad);
    for (const Polygon& polygon : polygons) {
      for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
        box = {std::min(box.x1, polygon[i]), std::min(box.y1, polygon[i + 1]),
               std::max(box.x2, polygon[i]), std::max(box.y2, polygon[i + 1])};
      }
    }
  }
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  return {std::clamp(box.x1, 0.0f, w), std::clamp(box.y1, 0.0f, h), std::clamp(box.x2, 0.0f, w),
          std::clamp(box.y2, 0.0f, h)};
}

std::vector<Polygon> Outlines(const Region& region) {
  std::vector<Polygon> outlines;
  for (const Polygon& polygon : region.polygons) {
    if (polygon.size() >= 6) outlines.push_back(polygon);
  }
  if (outlines.empty() && !region.quad.empty()) outlines.push_back(region.quad);
  return outlines;
}

}  // namespace uffizi
