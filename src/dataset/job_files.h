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

// What becomes of outputs that exist and were not made by this job.
enum class Existing {
  kRefuse,     // the job does not begin
  kKeep,       // they stay, and their pictures are left out
  kOverwrite,  // they are replaced
  kAppend,     // answers come behind what a .txt holds; of other outputs as kRefuse
  kPrepend,    // answers come before it
};

// The files that a job makes, with a record of them on disk: after a kill the job knows which of
// the files that exist are its own, and touches no others. A file is in the record before it has
// its name. May be used by several threads.
class JobFiles {
 public:
  // Without a record: nothing that exists is this job's own.
  JobFiles() : token_(MakeToken()) {}
  ~JobFiles();
  JobFiles(const JobFiles&) = delete;
  JobFiles& operator=(const JobFiles&) = delete;

  // Goes on with the record in an open file, which may be empty, and removes what a killed run left
  // unfinished. A file that grew is the job's own only if nobody has written to it after `alive`,
  // when the job last was; ns.
  void Attach(int record, int64_t alive);

  // Hands the record on to the disk.
  void Sync() const;

  // Whether an earlier run of this job made the file that stands there, and it is as it was.
  bool Owns(const std::filesystem::path& path) const;
  // Whether something stands there that this job did not make.
  bool IsOthers(const std::filesystem::path& path) const;

  // Writes a file whole, over what is the job's own or `over`, which the caller has seen. Throws
  // Error: kInvalidArgument if anything else stands there, kIo.
  FileIdentity Write(const std::filesystem::path& path, std::string_view bytes,
                     const std::optional<FileIdentity>& over = {});
  // A symbolic link, likewise.
  void Link(const std::filesystem::path& target, const std::filesystem::path& link,
            const std::optional<FileIdentity>& over = {});

  // A new file that will grow, likewise. Gives its descriptor.
  int Grow(const std::filesystem::path& path, const std::optional<FileIdentity>& over = {});
  // A file that earlier runs of this job have let grow, cut back to `length`; kInvalidArgument if
  // it is gone, shorter, or no longer as the job left it.
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
  std::set<std::string> folders_;  // in which there may be unfinished files
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOB_FILES_H_
