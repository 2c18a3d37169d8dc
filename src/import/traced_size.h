#ifndef UFFIZI_IMPORT_TRACED_SIZE_H_
#define UFFIZI_IMPORT_TRACED_SIZE_H_

#include "import/ir_graph.h"

namespace uffizi {

struct TracedSize {
  int height, width;  // pixels
  bool open;          // the graph has dynamic sizes; these are the usual ones
};

// The size of the pictures that an image_embedding graph was traced with; 768 x 768 if unknown.
TracedSize ReadTracedSize(const IrGraph& graph);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_TRACED_SIZE_H_
