#ifndef UFFIZI_HUB_CACHE_H_
#define UFFIZI_HUB_CACHE_H_

#include <filesystem>
#include <string>

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

// A new folder beside `place`, removed with all in it unless it was moved away.
class ScratchFolder {
 public:
  // Throws Error(kIo).
  explicit ScratchFolder(const std::filesystem::path& place);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace uffizi

#endif  // UFFIZI_HUB_CACHE_H_
