#ifndef UFFIZI_DATASET_JOB_FILES_H_
#define UFFIZI_DATASET_JOB_FILES_H_

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/owned_files.h"

namespace uffizi::dataset {

// What to do with outputs that exist and were not made by this job.
enum class Existing {
  kRefuse,     // the job does not start
  kKeep,       // they are kept, and their pictures skipped
  kOverwrite,  // they are replaced
  kAppend,     // answers are added at the end of a .txt; like kRefuse for other outputs
  kPrepend,    // answers are added at the beginning
};

// The files that a job makes, with a record of them on disk. After being killed, the job recognizes
// its own files and touches no others. A file is recorded before it gets its name. Thread-safe.
class JobFiles {
 public:
  // Without a record: no existing file is this job's own.
  JobFiles() : token_(MakeToken()) {}
  ~JobFiles();
  JobFiles(const JobFiles&) = delete;
  JobFiles& operator=(const JobFiles&) = delete;

  // Continues the record in an open file, which may be empty, and removes temporary files of a
  // killed run. A growing file is the job's own only if it has not been written to after `alive`,
  // the time of the job's last activity, in ns.
  void Attach(int record, int64_t alive);

  // Flushes the record to disk.
  void Sync() const;

  // Whether an earlier run of this job made the file, and it has not changed since.
  bool Owns(const std::filesystem::path& path) const;
  // Whether the path exists and was not made by this job.
  bool IsOthers(const std::filesystem::path& path) const;

  // Writes a complete file, replacing only the job's own or `over`, which the caller has seen.
  // Throws Error: kInvalidArgument if anything else exists there, kIo.
  FileIdentity Write(const std::filesystem::path& path, std::string_view bytes,
                     const std::optional<FileIdentity>& over = {});
  // Makes a symbolic link under the same conditions.
  void Link(const std::filesystem::path& target, const std::filesystem::path& link,
            const std::optional<FileIdentity>& over = {});

  // Creates a file that will grow, under the same conditions. Returns its descriptor.
  int Grow(const std::filesystem::path& path, const std::optional<FileIdentity>& over = {});
  // Reopens a growing file of earlier runs of this job, truncated to `length`; kInvalidArgument if
  // it is missing, shorter, or has changed since the job stopped.
  int GrowOn(const std::filesystem::path& path, uint64_t length);

 private:
  using Entry = std::pair<uint64_t, uint64_t>;  // hashes of the path and of the identity

  OutFile::Naming NamingFor(const std::filesystem::path& path,
                            const std::optional<FileIdentity>& over, bool grows);
  void NoteFolder(const std::filesystem::path& path);
  void Note(const std::string& line);

  std::string token_;  // of unfinished files
  int record_ = -1;
  int64_t alive_ = 0;
  std::vector<Entry> made_;  // by earlier runs; sorted
  mutable std::mutex mutex_;
  std::set<std::string> folders_;  // that may contain temporary files
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOB_FILES_H_
