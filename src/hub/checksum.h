#ifndef UFFIZI_HUB_CHECKSUM_H_
#define UFFIZI_HUB_CHECKSUM_H_

#include <filesystem>
#include <string>

namespace uffizi {

// The checksum of a file as "KIND:HEX", of the kind that `expected` ("KIND:...") has; see Download.
// Throws Error: kNotFound, kIo, or kUnsupported for an unknown kind.
std::string ChecksumLike(const std::string& expected, const std::filesystem::path& file);

}  // namespace uffizi

#endif  // UFFIZI_HUB_CHECKSUM_H_
