#ifndef UFFIZI_DATASET_JOURNAL_H_
#define UFFIZI_DATASET_JOURNAL_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/owned_folders.h"
#include "dataset/job_files.h"

namespace uffizi::dataset {

// The progress of a job.
struct Checkpoint {
  size_t done = 0;                // processed pictures
  size_t failed = 0;              // of those
  size_t already_there = 0;       // of those, skipped because all their outputs exist
  size_t kept = 0;                // existing per-picture files of other pictures
  size_t outside = 0;             // regions whose label is not among the classes
  uint64_t names = 0;             // hash of the pictures' names
  std::vector<uint64_t> lengths;  // of the sinks' files, bytes
};

// The options that identify a job: names and values, used in the message if they differ.
using JobOptions = std::map<std::string, std::string>;

// A folder beside the output that exists until the job is finished. It contains the checkpoint, a
// lock, the record of the files that the job made, and temporary data of sinks.
class Journal {
 public:
  // Locks the folder, creating it if necessary, and reads the state of an earlier run. Throws
  // Error(kInvalidArgument) if another process holds it or it contains anything else; Error(kIo).
  // `by_name`: the user did not name this folder; its name is derived from an output.
  explicit Journal(std::filesystem::path folder, bool by_name = true);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::filesystem::path& folder() const { return folder_.path(); }
  JobFiles& files() { return files_; }

  // Number of pictures that an unfinished job has processed.
  size_t done() const;

  // Call this before the first Write(). Throws Error(kInvalidArgument) if the unfinished job has
  // other options and `restart` is not set, or its journal cannot be read.
  void Begin(JobOptions options, bool restart);

  // The checkpoint of an earlier run of this job; nothing if there was none, or after a restart.
  const std::optional<Checkpoint>& found() const { return found_; }

  // Replaces the checkpoint atomically. The data that it refers to must already be on disk.
  void Write(const Checkpoint& checkpoint);

  // Removes the folder when the job is finished, unless it existed before.
  void Remove();

 private:
  void Load();
  void Leave();

  OwnFolder folder_;
  JobOptions options_, left_options_;
  std::optional<Checkpoint> left_, found_;
  std::string damage_;  // why the state of an earlier run cannot be read
  JobFiles files_;
  int lock_ = -1;
  bool written_ = false;  // there is a checkpoint
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOURNAL_H_
