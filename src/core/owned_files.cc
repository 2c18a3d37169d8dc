#include "core/owned_files.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferSize = 1 << 16;
constexpr size_t kPieceSize = 1 << 20;

[[noreturn]] void FailWriting(const fs::path& path, int error) {
  throw Error(ErrorCode::kIo, path.string() + ": cannot be written: " + std::strerror(error));
}

[[noreturn]] void FailOccupied(const fs::path& path) {
  throw Error(ErrorCode::kInvalidArgument, path.string() + ": already exists; it was not changed");
}

int64_t Nanoseconds(const statx_timestamp& time) {
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

std::optional<FileIdentity> Identify(int folder, const char* path, int flags) {
  struct statx found = {};
  if (statx(folder, path, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &found) !=
      0)
    return std::nullopt;
  const bool knows_birth = (found.stx_mask & STATX_BTIME) != 0;
  return FileIdentity{found.stx_ino, found.stx_size, knows_birth ? Nanoseconds(found.stx_btime) : 0,
                      Nanoseconds(found.stx_mtime)};
}

// Renames unless `to` exists. Returns 0 or the errno.
int RenameToNothing(const fs::path& from, const fs::path& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return errno;
  // NFS and other file systems have no such rename; link() also fails if the target exists.
  if (link(from.c_str(), to.c_str()) == 0) return unlink(from.c_str()) == 0 ? 0 : errno;
  if (errno == EEXIST) return errno;
  // Hard links are not supported either, or this is a folder.
  if (IdentityOf(to)) return EEXIST;
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// Renames a file that was written under a temporary name to its final name.
void TakeName(const fs::path& part, const fs::path& place, const OutFile::Naming& naming) {
  if (naming.before) {
    const auto identity = IdentityOf(part);
    if (!identity) FailWriting(place, ENOENT);
    naming.before(*identity);
  }
  int error = 0;
  if (naming.over && IdentityOf(place) == naming.over) {
    if (std::rename(part.c_str(), place.c_str()) != 0) error = errno;
  } else {
    error = RenameToNothing(part, place);
  }
  if (error == EEXIST) FailOccupied(place);
  if (error != 0) FailWriting(place, error);
}

fs::path PartBeside(const fs::path& place, std::string_view token) {
  static const std::string own = MakeToken();
  static std::atomic<uint64_t> count = 0;
  std::string name(kPartPrefix);
  name += token.empty() ? own : token;
  name += '-' + std::to_string(getpid()) + '-' + std::to_string(++count);
  return place.parent_path() / (name + std::string(kPartSuffix));
}

void MakeParent(const fs::path& path) {
  std::error_code ignored;  // creating the file will fail with a clearer message
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), ignored);
}

bool IsPart(const std::string& name) {
  return name.starts_with(kPartPrefix) && name.ends_with(kPartSuffix);
}

void CheckPartName(const fs::path& part) {
  const std::string name = part.filename().string();
  if (!name.ends_with(".part") && !name.ends_with(".part.etag")) {
    throw Error(ErrorCode::kInternal, part.string() + ": is not part of a download");
  }
}

}  // namespace

int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

std::optional<FileIdentity> IdentityOf(const fs::path& path) {
  return Identify(AT_FDCWD, path.c_str(), 0);
}

void MakeFolders(const fs::path& folder) {
  std::error_code error;
  if (folder.empty()) return;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error))
    error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw Error(ErrorCode::kIo, folder.string() + ": " + error.message());
}

std::string MakeToken() {
  uint64_t number = 0;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
    throw Error(ErrorCode::kInternal, "the system's random number generator failed");
  }
  std::string token(16, '0');
  for (char& digit : token) {
    digit = "0123456789abcdef"[number & 15];
    number >>= 4;
  }
  return token;
}

void RemoveParts(const fs::path& folder, std::string_view token) {
  std::error_code error;
  const std::string prefix = std::string(kPartPrefix) + std::string(token) + "-";
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(prefix) && IsPart(name)) unlink(at->path().c_str());
  }
}

OutFile::OutFile(fs::path place, std::string_view token)
    : place_(std::move(place)), part_(PartBeside(place_, token)) {
  MakeParent(place_);
  file_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) FailWriting(place_, errno);
}

OutFile::~OutFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(part_.c_str());
}

void OutFile::Write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBufferSize) {
    int error = WriteAll(file_, buffer_);
    buffer_.clear();
    if (error == 0 && bytes.size() > kBufferSize) {
      error = WriteAll(file_, bytes);
      bytes = {};
    }
    if (error != 0) FailWriting(place_, error);
  }
  buffer_ += bytes;
}

int OutFile::FinishOpen(const Naming& naming) {
  if (const int error = WriteAll(file_, buffer_); error != 0) FailWriting(place_, error);
  buffer_.clear();
  if (naming.durable && fdatasync(file_) != 0) FailWriting(place_, errno);
  TakeName(part_, place_, naming);
  return std::exchange(file_, -1);
}

void OutFile::Finish(const Naming& naming) {
  if (close(FinishOpen(naming)) != 0) FailWriting(place_, errno);
}

void WriteFile(const fs::path& path, std::string_view bytes, const OutFile::Naming& naming,
               std::string_view token) {
  OutFile file(path, token);
  file.Write(bytes);
  file.Finish(naming);
}

void MakeLink(const fs::path& target, const fs::path& link, const OutFile::Naming& naming,
              std::string_view token) {
  MakeParent(link);
  const fs::path part = PartBeside(link, token);
  if (symlink(target.c_str(), part.c_str()) != 0) FailWriting(link, errno);
  try {
    TakeName(part, link, naming);
  } catch (...) {
    unlink(part.c_str());
    throw;
  }
}

int ReopenFile(const fs::path& path, uint64_t length) {
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) FailWriting(path, errno);
  struct stat status = {};
  int error = fstat(file, &status) != 0 ? errno : 0;
  const bool own = S_ISREG(status.st_mode) && status.st_nlink == 1;
  if (error == 0 && own && static_cast<uint64_t>(status.st_size) >= length) {
    if (ftruncate(file, static_cast<off_t>(length)) == 0 && lseek(file, 0, SEEK_END) >= 0)
      return file;
    error = errno;
  }
  close(file);
  if (error != 0) FailWriting(path, error);
  if (!own) FailOccupied(path);
  throw Error(ErrorCode::kInvalidArgument,
              path.string() + ": shorter than when the job stopped; --restart starts over");
}

int OpenStream(const fs::path& path) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) FailWriting(path, errno);
  return file;
}

NamelessFile::NamelessFile(const fs::path& place) : place_(place) {
  const fs::path part = PartBeside(place, {});
  const int file = open(part.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) FailWriting(place_, errno);
  unlink(part.c_str());
  file_ = fdopen(file, "w+b");
  if (file_ == nullptr) {
    close(file);
    throw std::bad_alloc();
  }
}

NamelessFile::~NamelessFile() { std::fclose(file_); }

void NamelessFile::Write(std::string_view bytes) {
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
    FailWriting(place_, errno);
  }
  size_ += bytes.size();
}

void NamelessFile::Read(const std::function<void(std::string_view)>& take) {
  if (std::fseek(file_, 0, SEEK_SET) != 0) FailWriting(place_, errno);
  std::string piece(kPieceSize, '\0');
  uint64_t total = 0;
  while (const size_t count = std::fread(piece.data(), 1, piece.size(), file_)) {
    total += count;
    take({piece.data(), count});
  }
  if (total != size_ || std::fseek(file_, 0, SEEK_END) != 0) FailWriting(place_, EIO);
}

void CopyNew(const fs::path& from, const fs::path& to) {
  std::ifstream in(from, std::ios::binary);
  OutFile out(to);
  std::string piece(kPieceSize, '\0');
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())), in.gcount() > 0) {
    out.Write({piece.data(), static_cast<size_t>(in.gcount())});
  }
  if (!in.eof()) throw Error(ErrorCode::kIo, from.string() + ": cannot be read");
  out.Finish();
}

void MoveNew(const fs::path& from, const fs::path& to) {
  const int error = RenameToNothing(from, to);
  if (error == EEXIST) FailOccupied(to);
  if (error != 0) FailWriting(to, error);
}

int OpenLockFile(const fs::path& path) {
  return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
}

int OpenLog(const fs::path& path) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

void RemoveSocket(const fs::path& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) unlink(path.c_str());
}

std::FILE* OpenPart(const fs::path& part, bool append) {
  CheckPartName(part);
  const int mode = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (append ? O_APPEND : O_TRUNC);
  const int file = open(part.c_str(), mode, 0666);
  return file < 0 ? nullptr : fdopen(file, append ? "ab" : "wb");
}

void WritePart(const fs::path& part, std::string_view bytes) {
  std::FILE* file = OpenPart(part, false);
  if (file == nullptr) FailWriting(part, errno);
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written) FailWriting(part, errno);
}

void RemovePart(const fs::path& part) {
  CheckPartName(part);
  unlink(part.c_str());
}

void FinishPart(const fs::path& part, const fs::path& place) {
  CheckPartName(part);
  MoveNew(part, place);
}

}  // namespace uffizi
