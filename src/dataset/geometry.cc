#include "dataset/geometry.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace uffizi::dataset {
namespace {

using Span = std::pair<int, int>;  // rows [first, second) of a column

// Adds the spans in which the column with centre `x` is inside the polygon.
void AddSpans(const Polygon& polygon, double x, int height, std::vector<double>& crossings,
              std::vector<Span>& spans) {
  crossings.clear();
  const size_t points = polygon.size() / 2;
  for (size_t i = 0; i < points; ++i) {
    const size_t j = i + 1 == points ? 0 : i + 1;
    double x1 = static_cast<double>(polygon[2 * i]), y1 = static_cast<double>(polygon[2 * i + 1]);
    double x2 = static_cast<double>(polygon[2 * j]), y2 = static_cast<double>(polygon[2 * j + 1]);
    if ((x1 <= x) == (x2 <= x)) continue;
    crossings.push_back(y1 + (x - x1) / (x2 - x1) * (y2 - y1));
  }
  std::sort(crossings.begin(), crossings.end());
  const auto row = [&](double y) {
    return static_cast<int>(std::clamp(std::ceil(y - 0.5), 0.0, static_cast<double>(height)));
  };
  for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
    const Span span = {row(crossings[i]), row(crossings[i + 1])};
    if (span.first < span.second) spans.push_back(span);
  }
}

// The columns [first, second) that the polygons can touch.
Span ColumnRange(std::span<const Polygon> polygons, int width) {
  float low = static_cast<float>(width), high = 0;
  for (const Polygon& polygon : polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
      low = std::min(low, polygon[i]);
      high = std::max(high, polygon[i]);
    }
  }
  const auto limit = static_cast<float>(width);
  return {static_cast<int>(std::clamp(std::floor(low), 0.0f, limit)),
          static_cast<int>(std::clamp(std::ceil(high), 0.0f, limit))};
}

}  // namespace

RunLengths EncodeMask(std::span<const Polygon> polygons, int width, int height) {
  RunLengths mask;
  uint64_t at = 0;   // end of the last run, in pixels down the columns
  uint64_t one = 0;  // start of the run of ones that is open
  const auto close_run = [&] {
    if (at > one) {
      mask.counts.push_back(static_cast<uint32_t>(at - one));
      mask.area += at - one;
    }
  };
  const auto [first, last] = ColumnRange(polygons, width);
  std::vector<double> crossings;
  std::vector<Span> spans;
  for (int column = first; column < last; ++column) {
    spans.clear();
    for (const Polygon& polygon : polygons) {
      AddSpans(polygon, column + 0.5, height, crossings, spans);
    }
    std::sort(spans.begin(), spans.end());
    const auto top = static_cast<uint64_t>(column) * static_cast<uint64_t>(height);
    for (const auto& [low, high] : spans) {
      const uint64_t begin = top + static_cast<uint64_t>(low);
      const uint64_t end = top + static_cast<uint64_t>(high);
      if (begin > at || mask.counts.empty()) {
        close_run();
        mask.counts.push_back(static_cast<uint32_t>(begin - at));
        one = begin;
        at = end;
      } else {
        at = std::max(at, end);  // touches or overlaps the previous run
      }
    }
  }
  close_run();
  const uint64_t total = static_cast<uint64_t>(width) * static_cast<uint64_t>(height);
  if (at < total) mask.counts.push_back(static_cast<uint32_t>(total - at));
  return mask;
}

std::string CompressRunLengths(std::span<const uint32_t> counts) {
  std::string text;
  for (size_t i = 0; i < counts.size(); ++i) {
    int64_t value = counts[i];
    if (i > 2) value -= counts[i - 2];
    bool more = true;
    while (more) {
      int64_t bits = value & 0x1f;
      value >>= 5;
      more = (bits & 0x10) != 0 ? value != -1 : value != 0;
      if (more) bits |= 0x20;
      text += static_cast<char>(bits + 48);
    }
  }
  return text;
}

}  // namespace uffizi::dataset
