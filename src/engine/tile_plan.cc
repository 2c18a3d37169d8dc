#include "engine/tile_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace uffizi {
namespace {

constexpr double kOverlap = 0.2;  // of a side
// For kAuto: the side of a tile, and of pictures that are not tiled, relative to the model's input.
// Twice as many tiles take twice the time and show hardly more.
constexpr double kAutoSide = 1.5;
constexpr double kWhole = 1.5;

// How many tiles of `side` pixels cover `length`.
int CountFor(int length, double side) {
  if (length <= side) return 1;
  const double step = side * (1 - kOverlap);
  return static_cast<int>(std::ceil((length - side) / step)) + 1;
}

struct Part {
  int first, length;
};

// `count` equal parts of `length` that overlap.
std::vector<Part> Split(int length, int count) {
  count = std::clamp(count, 1, length);
  const double side = length / (count - kOverlap * (count - 1));
  std::vector<Part> parts;
  for (int i = 0; i < count; ++i) {
    const double first = i * side * (1 - kOverlap);
    const int begin = static_cast<int>(std::lround(first));
    const int end = i == count - 1 ? length : static_cast<int>(std::lround(first + side));
    parts.push_back({begin, std::max(1, std::min(length, end) - begin)});
  }
  return parts;
}

int ParseInt(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace

TileOptions TileOptions::Parse(const std::string& text) {
  TileOptions options;
  if (text.empty() || text == "off" || text == "none") return options;
  if (text == "auto") {
    options.kind = Kind::kAuto;
    return options;
  }
  const size_t cross = text.find('x');
  if (cross != std::string::npos) {
    options.kind = Kind::kGrid;
    options.columns = ParseInt(std::string_view(text).substr(0, cross));
    options.rows = ParseInt(std::string_view(text).substr(cross + 1));
    if (options.columns >= 1 && options.rows >= 1 && options.columns <= kMaxTiles &&
        options.rows <= kMaxTiles && options.columns * options.rows <= kMaxTiles) {
      return options;
    }
  } else {
    options.kind = Kind::kSide;
    options.side = ParseInt(text);
    if (options.side >= 32) return options;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "tiles must be auto, columns x rows such as 3x2 (" + std::to_string(kMaxTiles) +
                  " at most), or a side of at least 32 pixels, not " + text);
}

std::vector<TileRect> PlanTiles(int width, int height, const TileOptions& options, int model_side) {
  int columns = 1, rows = 1;
  switch (options.kind) {
    case TileOptions::Kind::kNone:
      return {};
    case TileOptions::Kind::kAuto: {
      if (std::max(width, height) <= kWhole * model_side) return {};
      double side = kAutoSide * model_side;
      const auto count = [&] { return int64_t{CountFor(width, side)} * CountFor(height, side); };
      while (count() > kMaxAutoTiles) side *= 1.05;
      columns = CountFor(width, side);
      rows = CountFor(height, side);
      break;
    }
    case TileOptions::Kind::kGrid:
      columns = options.columns;
      rows = options.rows;
      break;
    case TileOptions::Kind::kSide:
      columns = CountFor(width, options.side);
      rows = CountFor(height, options.side);
      break;
  }
  const auto count = static_cast<uint64_t>(columns) * static_cast<uint64_t>(rows);
  if (count > options.max_tiles) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(columns) + "x" + std::to_string(rows) +
                                                 " tiles, over the limit of " +
                                                 std::to_string(options.max_tiles) +
                                                 "; use larger tiles");
  }
  if (columns == 1 && rows == 1) return {};
  std::vector<TileRect> tiles;
  for (const Part& row : Split(height, rows)) {
    for (const Part& column : Split(width, columns)) {
      tiles.push_back({column.first, row.first, column.length, row.length});
    }
  }
  return tiles;
}

}  // namespace uffizi
