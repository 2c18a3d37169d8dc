#ifndef UFFIZI_ENGINE_TILE_MERGE_H_
#define UFFIZI_ENGINE_TILE_MERGE_H_

#include <optional>
#include <vector>

#include "engine/tile_plan.h"
#include "uffizi/task.h"
#include "uffizi/types.h"

namespace uffizi {

// What is asked about each tile of a picture, where the task is one for tiles: things and words. A
// text alone tells nothing of places, so that <OCR> asks for words with their regions. Nothing for
// captions and for tasks about one place or one phrase, which stay with the whole picture.
std::optional<Task> TileTask(Task task);

// Whether the whole picture is asked beside its tiles, for things that are larger than a tile.
bool AsksWholeToo(Task task);

// The answer to a part of a picture; `tile` is empty for the whole.
struct TileResult {
  std::optional<TileRect> tile;
  Result result;
};

// One result of all: regions moved to where their tile lies, and those that are one thing joined.
// Two regions of different tiles with the same label are one thing if their intersection is at
// least half of the smaller one, or if both are cut by the seam between their tiles and meet there.
// Of one thing, what is not cut stands for what is, tiles for the whole picture, and otherwise the
// higher score; of cut parts, what covers them. Words come in reading order, cut ones joined where
// their letters agree.
Result MergeTiles(Task task, std::vector<TileResult> parts, int width, int height);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_TILE_MERGE_H_
