#ifndef UFFIZI_TASKS_REGION_OUTLINE_H_
#define UFFIZI_TASKS_REGION_OUTLINE_H_

#include <vector>

#include "uffizi/types.h"

namespace uffizi {

// The box around whatever geometry a region has, its corners in order, within the picture. Pixels.
Box BoundingBox(const Region& region, int width, int height);

// A region's polygons: its own, or its quad's; none for a box.
std::vector<Polygon> Outlines(const Region& region);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_REGION_OUTLINE_H_
