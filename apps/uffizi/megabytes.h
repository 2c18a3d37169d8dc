#ifndef UFFIZI_APPS_MEGABYTES_H_
#define UFFIZI_APPS_MEGABYTES_H_

#include <cstdint>

namespace uffizi::cli {

// Millions of bytes, as reports print them.
inline double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_MEGABYTES_H_
