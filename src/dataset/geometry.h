#ifndef UFFIZI_DATASET_GEOMETRY_H_
#define UFFIZI_DATASET_GEOMETRY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "uffizi/types.h"

namespace uffizi::dataset {

// A mask as lengths of runs of 0 and 1 in turn, 0 first, down the columns from the left, which is
// COCO's order.
struct RunLengths {
  std::vector<uint32_t> counts;
  uint64_t area = 0;  // pixels that are 1
};

// The pixels whose centres lie in any of the polygons (even-odd within each), in a picture of
// width x height.
RunLengths EncodeMask(std::span<const Polygon> polygons, int width, int height);

// Run lengths as pycocotools writes them: 5 bits a character, differences to the count before the
// last.
std::string CompressRunLengths(std::span<const uint32_t> counts);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_GEOMETRY_H_
