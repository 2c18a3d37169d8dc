#ifndef UFFIZI_DATASET_PPM_STREAM_H_
#define UFFIZI_DATASET_PPM_STREAM_H_

#include <cstddef>
#include <functional>
#include <string>

namespace uffizi::dataset {

// Up to `size` bytes into `out`; fewer only at the end.
using ReadBytes = std::function<size_t(char* out, size_t size)>;

// The next file of a stream of 8-bit PPM pictures, as ffmpeg writes frames; "" at its end, also if
// that comes early. Throws Error(kInvalidImage) for anything else, and Error(kImageTooLarge) for
// more than `max_pixels`.
std::string NextPpm(const ReadBytes& read, size_t max_pixels);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PPM_STREAM_H_
