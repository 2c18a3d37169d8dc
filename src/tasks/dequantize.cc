#include "tasks/dequantize.h"

#include <algorithm>
#include <cmath>

namespace uffizi {
namespace {

constexpr int kBins = 1000;

float Dequantize(const Mark& location, int size) {
  return static_cast<float>((static_cast<double>(location.bin) + 0.5) * size / kBins);
}

}  // namespace

float PictureSize::X(const Mark& location) const { return Dequantize(location, width); }
float PictureSize::Y(const Mark& location) const { return Dequantize(location, height); }

Box PictureSize::ToBox(std::span<const Mark> four_locations) const {
  return {X(four_locations[0]), Y(four_locations[1]), X(four_locations[2]), Y(four_locations[3])};
}

Polygon PictureSize::ToPolygon(std::span<const Mark> locations) const {
  Polygon polygon;
  polygon.reserve(locations.size());
  for (size_t i = 0; i + 1 < locations.size(); i += 2) {
    polygon.push_back(X(locations[i]));
    polygon.push_back(Y(locations[i + 1]));
  }
  return polygon;
}

int QuantizeCoordinate(double pixels, int size) {
  const auto pixels_per_bin = static_cast<float>(static_cast<double>(size) / kBins);
  const float bin = std::floor(static_cast<float>(pixels) / pixels_per_bin);
  return static_cast<int>(std::clamp(bin, 0.0f, static_cast<float>(kBins - 1)));
}

}  // namespace uffizi
