#ifndef UFFIZI_DATASET_GEOMETRY_H_
#define UFFIZI_DATASET_GEOMETRY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "uffizi/types.h"

namespace uffizi::dataset {

// A mask as lengths of alternating runs of 0 and 1, starting with 0, in COCO's order: down the
// columns, from left to right.
struct RunLengths {
  std::vector<uint32_t> counts;
  uint64_t area = 0;  // pixels that are 1
};

// The pixels whose centres lie in any of the polygons (even-odd within each), in a picture of
// width x height.
RunLengths EncodeMask(std::span<const Polygon> polygons, int width, int height);

// Compresses run lengths like pycocotools: 5 bits per character, as differences to the count two
// before.
std::string CompressRunLengths(std::span<const uint32_t> counts);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_GEOMETRY_H_
