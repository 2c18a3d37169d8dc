#include "dataset/append_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferSize = 1 << 16;

}  // namespace

AppendFile::~AppendFile() {
  if (file_ > STDERR_FILENO) close(file_);
}

void AppendFile::Fail(int error) const {
  const std::string name = path_.empty() ? "standard output" : path_.string();
  throw Error(ErrorCode::kIo, name + ": cannot be written: " + std::strerror(error));
}

void AppendFile::Begin(JobFiles& files, const std::optional<FileIdentity>& over) {
  length_ = 0;
  regular_ = !path_.empty() && !IsStream(path_);
  if (regular_) {
    file_ = files.Grow(path_, over);
  } else {
    file_ = path_.empty() ? STDOUT_FILENO : OpenStream(path_);
  }
}

void AppendFile::GoOn(JobFiles& files, uint64_t length) {
  regular_ = !path_.empty() && !IsStream(path_);
  if (regular_) {
    file_ = files.GrowOn(path_, length);
  } else {
    Begin(files, {});
  }
  length_ = length;
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

bool IsStream(const fs::path& path) {
  std::error_code ignored;
  const fs::path place = fs::absolute(path, ignored).lexically_normal();
  const auto first = std::next(place.begin(), place.begin() == place.end() ? 0 : 1);
  if (first != place.end() && (*first == "dev" || *first == "proc")) {
    // /dev/shm is a memory file system, whose files are like any others.
    if (!place.string().starts_with("/dev/shm/")) return true;
  }
  const auto type = fs::status(path, ignored).type();
  return type != fs::file_type::regular && type != fs::file_type::not_found &&
         type != fs::file_type::directory && type != fs::file_type::none;
}

}  // namespace uffizi::dataset
