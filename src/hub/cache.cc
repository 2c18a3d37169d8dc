#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hub/environment.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

void MakeFolder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty()) return;
  fs::create_directories(folder, error);
  if (error) throw Error(ErrorCode::kIo, folder.string() + ": " + error.message());
}

}  // namespace

fs::path CacheFolder() {
  if (const std::string own = Environment({"UFFIZI_CACHE"}); !own.empty()) return own;
  if (const std::string cache = Environment({"XDG_CACHE_HOME"}); !cache.empty()) {
    return fs::path(cache) / "uffizi";
  }
  if (const std::string home = Environment({"HOME"}); !home.empty()) {
    return fs::path(home) / ".cache" / "uffizi";
  }
  throw Error(ErrorCode::kNotFound, "no folder for the cache; set UFFIZI_CACHE=DIR");
}

FileLock::FileLock(const fs::path& file) {
  MakeFolder(file.parent_path());
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
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

ScratchFolder::ScratchFolder(const fs::path& place) {
  MakeFolder(place.parent_path());
  std::string name = place.string() + ".part-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorCode::kIo, place.string() + ": cannot be written: " + std::strerror(errno));
  }
  path_ = name;
  // As other folders are, by the process's mask: mkdtemp's are for their owner alone.
  const mode_t mask = umask(0);
  umask(mask);
  std::error_code ignored;
  fs::permissions(path_, static_cast<fs::perms>(0777 & ~mask), ignored);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace uffizi
