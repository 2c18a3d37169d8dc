#ifndef UFFIZI_HUB_CACHE_H_
#define UFFIZI_HUB_CACHE_H_

#include <filesystem>

#include "core/owned_folders.h"  // ScratchFolder

namespace uffizi {

// Where downloads and imported models are kept: $UFFIZI_CACHE, else uffizi below $XDG_CACHE_HOME or
// ~/.cache. Throws Error(kNotFound) if no variable names a place.
std::filesystem::path CacheFolder();

// A lock between processes, held while the object lives. Waits for others.
class FileLock {
 public:
  // Makes the file, and its folder. Throws Error(kIo).
  explicit FileLock(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace uffizi

#endif  // UFFIZI_HUB_CACHE_H_
