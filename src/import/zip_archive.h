#ifndef UFFIZI_IMPORT_ZIP_ARCHIVE_H_
#define UFFIZI_IMPORT_ZIP_ARCHIVE_H_

#include <cstdint>
#include <filesystem>

namespace uffizi {

// Whether a file begins like a zip.
bool IsZip(const std::filesystem::path& file);

// Unpacks a zip into a new folder. A member called X.xml that is itself a zip, as Spark NLP stores
// graphs, becomes a folder of that name with its contents; it is read as a stream and never stored
// on disk. The archive is not trusted. Names that are absolute or lead out of the folder, links and
// other special files, encrypted members, duplicate names, and archives that unpack to far more
// than their size (200 times beyond 64 MiB, or more than `max_bytes`) are refused before or while
// they are written. Throws Error(kInvalidModel), or Error(kIo) if the folder cannot be written.
void Unzip(const std::filesystem::path& zip, const std::filesystem::path& folder,
           uint64_t max_bytes = uint64_t{64} << 30);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_ZIP_ARCHIVE_H_
