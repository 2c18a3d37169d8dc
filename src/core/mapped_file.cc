#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "uffizi/error.h"

namespace uffizi {
namespace {

[[noreturn]] void ThrowErrno(const std::filesystem::path& path, int error) {
  const ErrorCode code =
      error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  throw Error(code, path.string() + ": " + std::strerror(error));
}

// An open file descriptor that closes itself.
class File {
 public:
  explicit File(const std::filesystem::path& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) ThrowErrno(path, errno);
    struct stat status;
    if (fstat(fd_, &status) != 0) {
      const int error = errno;
      close(fd_);
      ThrowErrno(path, error);
    }
    if (S_ISDIR(status.st_mode)) {
      close(fd_);
      ThrowErrno(path, EISDIR);
    }
    size_ = static_cast<size_t>(status.st_size);
  }
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int fd() const { return fd_; }
  size_t size() const { return size_; }

 private:
  int fd_;
  size_t size_ = 0;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const File file(path);
  if (file.size() == 0) return;
  void* address = mmap(nullptr, file.size(), PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (address == MAP_FAILED) ThrowErrno(path, errno);
  data_ = static_cast<const uint8_t*>(address);
  size_ = file.size();
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void ReleasePages(const uint8_t* data, size_t size) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + page - 1) / page * page, last = (begin + size) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::string ReadFile(const std::filesystem::path& path, size_t max_bytes) {
  const File file(path);
  std::string content;
  char buffer[1 << 16];
  while (true) {
    const ssize_t got = read(file.fd(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) ThrowErrno(path, errno);
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > max_bytes) {
      throw Error(ErrorCode::kIo,
                  path.string() + ": larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

bool IsLfsPointer(std::string_view bytes) {
  return bytes.starts_with("version https://git-lfs.github.com/spec/");
}

}  // namespace uffizi
