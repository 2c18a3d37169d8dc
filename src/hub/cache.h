#ifndef UFFIZI_HUB_CACHE_H_
#define UFFIZI_HUB_CACHE_H_

#include <filesystem>

#include "core/owned_folders.h"  // ScratchFolder

namespace uffizi {

// The folder of downloads and imported models: $UFFIZI_CACHE, else uffizi below $XDG_CACHE_HOME or
// ~/.cache. Throws Error(kNotFound) if none of these is set.
std::filesystem::path CacheFolder();

// An inter-process lock, held while the object lives. Waits for other holders.
class FileLock {
 public:
  // Creates the file and its folder. Throws Error(kIo).
  explicit FileLock(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace uffizi

#endif  // UFFIZI_HUB_CACHE_H_
