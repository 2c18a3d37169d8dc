#ifndef UFFIZI_ENGINE_TILE_PLAN_H_
#define UFFIZI_ENGINE_TILE_PLAN_H_

#include <vector>

#include "uffizi/engine.h"

namespace uffizi {

// A part of a picture, pixels.
struct TileRect {
  int left = 0, top = 0, width = 0, height = 0;
};

// The tiles of a picture of width x height pixels, row by row, each overlapping its neighbours by a
// fifth of a side. Empty if the picture is not tiled: without options, or with kAuto if it is not
// much larger than the model's input of `model_side` pixels. Throws Error(kInvalidArgument) for
// more than options.max_tiles.
std::vector<TileRect> PlanTiles(int width, int height, const TileOptions& options, int model_side);

constexpr int kMaxTiles = 1024;
// kAuto makes tiles larger instead of more.
constexpr int kMaxAutoTiles = 64;

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_TILE_PLAN_H_
