#ifndef UFFIZI_ENGINE_TILE_MERGE_H_
#define UFFIZI_ENGINE_TILE_MERGE_H_

#include <optional>
#include <vector>

#include "engine/tile_plan.h"
#include "uffizi/task.h"
#include "uffizi/types.h"

namespace uffizi {

// The task to ask about each tile of a picture. Plain text has no positions, so <OCR> becomes
// <OCR_WITH_REGION>. Nothing for captions and for tasks about one region or phrase, which are asked
// about the whole picture.
std::optional<Task> TileTask(Task task);

// Whether the whole picture is asked in addition to its tiles, for objects larger than a tile.
bool AsksWholeToo(Task task);

// The answer to a part of a picture; `tile` is empty for the whole.
struct TileResult {
  std::optional<TileRect> tile;
  Result result;
};

// Merges all results into one: moves regions to the position of their tile and joins those of the
// same object. Two regions of different tiles with the same label are the same object if their
// intersection is at least half of the smaller one, or if the seam between their tiles cuts both
// and they meet there. An uncut region wins over a cut one, a tile's over the whole picture's, then
// the higher score. Cut parts are replaced by the box that covers them. Words come in reading
// order, cut ones joined where their letters agree. Regions with a score below `filter.min_score`
// are dropped before, those without one of its labels afterwards.
Result MergeTiles(Task task, std::vector<TileResult> parts, int width, int height,
                  const RegionFilter& filter = {});

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_TILE_MERGE_H_
