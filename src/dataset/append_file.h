#ifndef UFFIZI_DATASET_APPEND_FILE_H_
#define UFFIZI_DATASET_APPEND_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "dataset/job_files.h"

namespace uffizi::dataset {

// A file that only grows, and can be truncated to its length at a checkpoint. An empty path is
// standard output. All functions throw Error(kIo), whose message names the file.
class AppendFile {
 public:
  explicit AppendFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Creates the file and its folders, replacing only the job's own file or `over`. For a resumed
  // job, opens the file and truncates it to `length` bytes. Anything but a regular file (a pipe, a
  // terminal) is only written to. Throws like JobFiles.
  void Begin(JobFiles& files, const std::optional<FileIdentity>& over);
  void GoOn(JobFiles& files, uint64_t length);

  void Append(std::string_view bytes);

  // Writes all bytes to the system; with `durable`, to the disk.
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

// Whether a path cannot be a file made by a job: a pipe, a terminal, /dev/null, or the target of
// /dev/stdout.
bool IsStream(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_APPEND_FILE_H_
