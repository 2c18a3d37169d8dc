#include "core/owned_folders.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarkerFile = "lock";
constexpr std::string_view kMarker = "a job of uffizi\n";
constexpr std::string_view kMadeByUs = "a job of uffizi, which made this folder\n";

[[noreturn]] void FailWriting(const fs::path& path, int error) {
  throw Error(ErrorCode::kIo, path.string() + ": cannot be written: " + std::strerror(error));
}

bool IsPart(const std::string& name) {
  return name.starts_with(kPartPrefix) && name.ends_with(kPartSuffix);
}

// Every scratch folder holds this file, which is locked as long as its process lives.
constexpr const char* kScratchFile = ".uffizi-scratch";
constexpr std::string_view kScratchInfix = ".part-";

// Removes the scratch folders beside `place` that were left by processes which were killed.
void RemoveAbandoned(const fs::path& place) {
  std::error_code ignored;
  const std::string prefix = place.filename().string() + std::string(kScratchInfix);
  const fs::path parent = place.has_parent_path() ? place.parent_path() : ".";
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  for (const fs::path& folder : found) {
    const int lock = open((folder / kScratchFile).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) continue;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(folder, ignored);
    close(lock);
  }
}

enum class Marker { kNone, kForeign, kFolderOfOthers, kOurFolder };

// Who made the folder of this lock file.
Marker ReadMarker(const fs::path& path) {
  if (!IdentityOf(path)) return Marker::kNone;
  std::string text(kMadeByUs.size() + 1, '\0');
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  const ssize_t length = file < 0 ? 0 : read(file, text.data(), text.size());
  if (file >= 0) close(file);
  text.resize(static_cast<size_t>(std::max<ssize_t>(length, 0)));
  if (text == kMadeByUs) return Marker::kOurFolder;
  return text == kMarker ? Marker::kFolderOfOthers : Marker::kForeign;
}

}  // namespace

ScratchFolder::ScratchFolder(const fs::path& place) {
  MakeFolders(place.parent_path());
  RemoveAbandoned(place);
  std::string name = place.string() + std::string(kScratchInfix) + "XXXXXX";
  if (mkdtemp(name.data()) == nullptr) FailWriting(place, errno);
  path_ = name;
  lock_ = open((path_ / kScratchFile).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (lock_ < 0) {
    const int error = errno;
    rmdir(path_.c_str());
    FailWriting(place, error);
  }
  flock(lock_, LOCK_EX | LOCK_NB);
  // Applies the process's umask, as for other folders: mkdtemp() makes folders only for their
  // owner.
  const mode_t mask = umask(0);
  umask(mask);
  std::error_code ignored;
  fs::permissions(path_, static_cast<fs::perms>(0777 & ~mask), ignored);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  close(lock_);
}

void ScratchFolder::CheckInside(const fs::path& made) const {
  const fs::path below = made.lexically_normal().lexically_relative(path_.lexically_normal());
  if (below.empty() || below == "." || *below.begin() == "..") {
    throw Error(ErrorCode::kInternal, made.string() + ": is not in " + path_.string());
  }
}

void ScratchFolder::TakeIn(const fs::path& from, const fs::path& made) const {
  CheckInside(made);
  MoveNew(from, made);
}

void ScratchFolder::MoveOut(const fs::path& made, const fs::path& place) const {
  CheckInside(made);
  std::error_code ignored;
  const bool over_folder =
      fs::is_directory(fs::symlink_status(place, ignored)) && fs::is_directory(made);
  // rename() itself refuses to replace a folder that is not empty.
  if (over_folder && std::rename(made.c_str(), place.c_str()) == 0) return;
  MoveNew(made, place);
}

void ScratchFolder::MoveOver(const fs::path& made, const fs::path& folder,
                             const std::function<bool(const fs::path&)>& replaces) const {
  CheckInside(made);
  std::vector<fs::path> names;
  for (const auto& entry : fs::directory_iterator(made)) {
    const fs::path name = entry.path().filename();
    if (!IdentityOf(folder / name) || replaces(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const fs::path& name : names) {
    std::error_code ignored;
    if (fs::is_directory(folder / name, ignored)) FailWriting(folder / name, EISDIR);
  }
  for (const fs::path& name : names) {
    if (std::rename((made / name).c_str(), (folder / name).c_str()) != 0) {
      FailWriting(folder / name, errno);
    }
  }
}

OwnFolder::OwnFolder(fs::path path, std::vector<std::string> names, bool by_us)
    : path_(std::move(path)), names_(std::move(names)), ours_(by_us) {
  CheckContent();
}

bool OwnFolder::IsKnown(const std::string& name) const {
  return name == kMarkerFile || std::find(names_.begin(), names_.end(), name) != names_.end();
}

void OwnFolder::CheckContent() const {
  if (!IdentityOf(path_)) return;
  const Marker marker = ReadMarker(path_ / kMarkerFile);
  const bool marked = marker == Marker::kOurFolder || marker == Marker::kFolderOfOthers;
  std::error_code error;
  std::string first;
  size_t others = 0;
  fs::directory_iterator at(path_, error);
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool known = marked && (IsPart(name) || IsKnown(name));
    if (known && at->symlink_status().type() == fs::file_type::regular) continue;
    if (first.empty() || name < first) first = name;
    ++others;
  }
  if (error) {
    throw Error(ErrorCode::kInvalidArgument,
                path_.string() + ": cannot be used: " + error.message());
  }
  if (others == 0) return;
  throw Error(ErrorCode::kInvalidArgument,
              path_.string() + ": contains " + first +
                  (others > 1 ? " and " + std::to_string(others - 1) + " more" : "") +
                  ", which no job made; name an empty folder, or one that does not exist");
}

fs::path OwnFolder::Place(const std::string& name) const {
  if (!IsKnown(name)) {
    throw Error(ErrorCode::kInternal, (path_ / name).string() + ": is not a file of this folder");
  }
  return path_ / name;
}

void OwnFolder::Make() {
  if (!IdentityOf(path_)) {
    std::error_code ignored;
    fs::path above = fs::absolute(path_, ignored).lexically_normal().parent_path();
    for (; above.has_relative_path() && !IdentityOf(above); above = above.parent_path()) {
      made_above_.push_back(above);
    }
    MakeFolders(path_);
    ours_ = true;
  }
  if (ReadMarker(path_ / kMarkerFile) == Marker::kNone) {
    try {
      WriteFile(path_ / kMarkerFile, ours_ ? kMadeByUs : kMarker);
    } catch (const Error&) {
      if (!IdentityOf(path_ / kMarkerFile)) {
        RemoveFolders();
        throw;
      }  // else another process was faster
    }
  }
  CheckContent();  // meanwhile somebody may have put something there
  ours_ = ReadMarker(path_ / kMarkerFile) == Marker::kOurFolder;
}

int OwnFolder::Lock() const {
  const fs::path place = path_ / kMarkerFile;
  const int file = open(place.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) FailWriting(place, errno);
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  close(file);
  throw Error(ErrorCode::kInvalidArgument,
              path_.string() + ": another process is running this job");
}

int OwnFolder::OpenToAppend(const std::string& name) const {
  const fs::path place = Place(name);
  const int file = open(place.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file < 0) FailWriting(place, errno);
  return file;
}

void OwnFolder::Write(const std::string& name, std::string_view bytes) {
  OutFile::Naming naming;
  naming.over = IdentityOf(Place(name));
  naming.durable = true;
  WriteFile(Place(name), bytes, naming);
}

void OwnFolder::Remove(const std::string& name) { unlink(Place(name).c_str()); }

void OwnFolder::RemoveAll() {
  std::error_code error;
  for (fs::directory_iterator at(path_, error), end; !error && at != end; at.increment(error)) {
    if (IsPart(at->path().filename().string())) unlink(at->path().c_str());
  }
  for (const std::string& name : names_) Remove(name);
  Remove(kMarkerFile);  // last, because it says who owns the rest
  RemoveFolders();
}

void OwnFolder::RemoveFolders() {
  if (ours_) rmdir(path_.c_str());
  for (const fs::path& folder : made_above_) rmdir(folder.c_str());
}

void RemoveIfEmpty(const fs::path& folder) { rmdir(folder.c_str()); }

}  // namespace uffizi
