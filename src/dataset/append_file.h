#ifndef UFFIZI_DATASET_APPEND_FILE_H_
#define UFFIZI_DATASET_APPEND_FILE_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "dataset/job_files.h"

namespace uffizi::dataset {

// A file that only grows, and can be cut back to a length that it had at a checkpoint. An empty
// path is standard output. All functions throw Error(kIo), whose message names the file.
class AppendFile {
 public:
  explicit AppendFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Makes the file, with its folders, over what is the job's own or may be `over`written; or, for
  // a job that goes on, opens it and cuts it to `length` bytes. What is no regular file (a pipe, a
  // terminal) is only written to. Throws as JobFiles does.
  void Begin(JobFiles& files, const std::optional<FileIdentity>& over);
  void GoOn(JobFiles& files, uint64_t length);

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

// Whether a path is no file that a job could have made: a pipe, a terminal, /dev/null, or whatever
// /dev/stdout is.
bool IsStream(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_APPEND_FILE_H_
