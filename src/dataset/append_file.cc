#include "dataset/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferSize = 1 << 16;

[[noreturn]] void FailWriting(const fs::path& path, int error) {
  const std::string name = path.empty() ? "standard output" : path.string();
  throw Error(ErrorCode::kIo, name + ": cannot be written: " + std::strerror(error));
}

void MakeParent(const fs::path& path) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
}

// 0, or the errno.
int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

AppendFile::~AppendFile() {
  if (file_ > STDERR_FILENO) close(file_);
}

void AppendFile::Fail(int error) const { FailWriting(path_, error); }

void AppendFile::Open(uint64_t length) {
  if (path_.empty()) {
    file_ = STDOUT_FILENO;
    length_ = length;
    return;
  }
  MakeParent(path_);
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  struct stat status = {};
  if (file_ < 0 || fstat(file_, &status) != 0) Fail(errno);
  length_ = length;
  regular_ = S_ISREG(status.st_mode);
  if (!regular_) return;
  if (static_cast<uint64_t>(status.st_size) < length) {
    throw Error(ErrorCode::kInvalidArgument,
                path_.string() + ": shorter than when the job stopped; --restart begins again");
  }
  if (ftruncate(file_, static_cast<off_t>(length)) != 0) Fail(errno);
  if (lseek(file_, 0, SEEK_END) < 0) Fail(errno);
}

void AppendFile::Append(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferSize) Flush(false);
}

void AppendFile::Flush(bool durable) {
  if (const int error = WriteAll(file_, buffer_); error != 0) Fail(error);
  length_ += buffer_.size();
  buffer_.clear();
  if (durable && regular_ && fdatasync(file_) != 0) Fail(errno);
}

void WriteWholeFile(const fs::path& path, std::string_view bytes, bool durable) {
  MakeParent(path);
  fs::path part = path;
  part += ".part";
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) FailWriting(path, errno);
  int error = WriteAll(file, bytes);
  if (error == 0 && durable && fdatasync(file) != 0) error = errno;
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && std::rename(part.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  unlink(part.c_str());
  FailWriting(path, error);
}

bool CanResume(const fs::path& path) {
  std::error_code ignored;
  const auto type = fs::status(path, ignored).type();
  return type == fs::file_type::regular || type == fs::file_type::not_found;
}

}  // namespace uffizi::dataset
