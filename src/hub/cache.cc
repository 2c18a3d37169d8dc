#include "hub/cache.h"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/owned_files.h"
#include "hub/environment.h"
#include "uffizi/error.h"

namespace uffizi {

namespace fs = std::filesystem;

fs::path CacheFolder() {
  if (const std::string own = Environment({"UFFIZI_CACHE"}); !own.empty()) return own;
  if (const std::string cache = Environment({"XDG_CACHE_HOME"}); !cache.empty()) {
    return fs::path(cache) / "uffizi";
  }
  if (const std::string home = Environment({"HOME"}); !home.empty()) {
    return fs::path(home) / ".cache" / "uffizi";
  }
  throw Error(ErrorCode::kNotFound, "there is no folder for the cache; set UFFIZI_CACHE=DIR");
}

FileLock::FileLock(const fs::path& file) {
  MakeFolders(file.parent_path());
  descriptor_ = OpenLockFile(file);
  int result = -1;
  if (descriptor_ >= 0) {
    do {
      result = flock(descriptor_, LOCK_EX);
    } while (result != 0 && errno == EINTR);
  }
  if (result != 0) {
    const std::string reason = std::strerror(errno);
    if (descriptor_ >= 0) close(descriptor_);
    throw Error(ErrorCode::kIo, file.string() + ": cannot be locked: " + reason);
  }
}

FileLock::~FileLock() { close(descriptor_); }

}  // namespace uffizi
