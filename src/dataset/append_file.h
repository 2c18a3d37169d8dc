#ifndef UFFIZI_DATASET_APPEND_FILE_H_
#define UFFIZI_DATASET_APPEND_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace uffizi::dataset {

// A file that only grows, and can be cut back to a length that it had at a checkpoint. An empty
// path is standard output. All functions throw Error(kIo), whose message names the file.
class AppendFile {
 public:
  explicit AppendFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Opens or makes the file, with its folders, and cuts it to `length` bytes; kInvalidArgument if
  // it has fewer. What is no regular file (a pipe, a terminal) is only written to.
  void Open(uint64_t length);

  void Append(std::string_view bytes);

  // Hands all bytes to the system; with `durable`, on to the disk.
  void Flush(bool durable);

  uint64_t length() const { return length_ + buffer_.size(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void Fail(int error) const;

  std::filesystem::path path_;
  int file_ = -1;
  bool regular_ = false;
  uint64_t length_ = 0;  // written
  std::string buffer_;   // not yet written
};

// Writes a file whole or not at all: under another name first. Makes its folders. Throws
// Error(kIo). With `durable`, it has reached the disk before it takes the name.
void WriteWholeFile(const std::filesystem::path& path, std::string_view bytes,
                    bool durable = false);

// Whether a job that writes to `path` can be gone on with: a regular file, or none yet.
bool CanResume(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_APPEND_FILE_H_
