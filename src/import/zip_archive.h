#ifndef UFFIZI_IMPORT_ZIP_ARCHIVE_H_
#define UFFIZI_IMPORT_ZIP_ARCHIVE_H_

#include <cstdint>
#include <filesystem>

namespace uffizi {

// Whether a file begins as a zip does.
bool IsZip(const std::filesystem::path& file);

// Unpacks a zip into a folder, which is made. A member that is called X.xml but is a zip itself, as
// Spark NLP keeps graphs, becomes a folder of that name, with what it holds; it is read as a stream
// and never lies on the disk. The archive is not trusted: names that are absolute or lead out of
// the folder, links and other special files, encrypted members, two members of one name, and
// archives that unpack to far more than they are (over 200 times once past 64 MiB, or `max_bytes`)
// are refused before or while they are written. Throws Error(kInvalidModel), or Error(kIo) if the
// folder cannot be written.
void Unzip(const std::filesystem::path& zip, const std::filesystem::path& folder,
           uint64_t max_bytes = uint64_t{64} << 30);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_ZIP_ARCHIVE_H_
