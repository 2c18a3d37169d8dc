#ifndef UFFIZI_CORE_MAPPED_FILE_H_
#define UFFIZI_CORE_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace uffizi {

// A file mapped read-only for as long as the object lives.
class MappedFile {
 public:
  // Throws Error(kNotFound) or Error(kIo). An empty file maps to an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Releases the memory behind bytes of a mapped file that will not be needed soon. The bytes stay
// valid: if they are read again, they are loaded from the file again.
void ReleasePages(const uint8_t* data, size_t size);

// The whole file as a string. Throws Error(kNotFound) or Error(kIo); kIo if it is larger than
// `max_bytes`.
std::string ReadFile(const std::filesystem::path& path, size_t max_bytes = 1ull << 30);

// Whether a file's bytes are a git-lfs pointer: what `git clone` leaves of a large file where
// git-lfs is not installed.
bool IsLfsPointer(std::string_view bytes);
inline constexpr const char* kLfsAdvice =
    "is a git-lfs pointer, not the file itself: install git-lfs and run `git lfs pull` in its "
    "folder, or download the file";

}  // namespace uffizi

#endif  // UFFIZI_CORE_MAPPED_FILE_H_
