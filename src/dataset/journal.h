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

// How far a job is.
struct Checkpoint {
  size_t done = 0;                // pictures that were dealt with
  size_t failed = 0;              // of those
  size_t already_there = 0;       // of those, as all that would come of them was there already
  size_t kept = 0;                // single files that were there already, of other pictures
  size_t outside = 0;             // regions whose label is none of the classes
  uint64_t names = 0;             // hash of the pictures' names
  std::vector<uint64_t> lengths;  // of the sinks' files, bytes
};

// What makes a job this job and no other: names and values, for the message if they differ.
using JobOptions = std::map<std::string, std::string>;

// A folder beside the output that lives as long as the job is not finished. It holds the
// checkpoint, a lock, the record of the files that the job made, and what sinks must keep aside.
class Journal {
 public:
  // Locks the folder, which is made if need be, and reads what an earlier run left. Throws
  // Error(kInvalidArgument) if another process holds it, or if anything else is in it; Error(kIo).
  // `by_name`: nobody named this folder, which is called after an output.
  explicit Journal(std::filesystem::path folder, bool by_name = true);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::filesystem::path& folder() const { return folder_.path(); }
  JobFiles& files() { return files_; }

  // How many pictures an unfinished job has dealt with.
  size_t done() const;

  // Before the first Write. Throws Error(kInvalidArgument) if the unfinished job has other options
  // and `restart` is not set, or its journal cannot be read.
  void Begin(JobOptions options, bool restart);

  // Where an earlier run of this job got to; nothing if there was none, or after a restart.
  const std::optional<Checkpoint>& found() const { return found_; }

  // Replaces the checkpoint, in one step. What it speaks of must have reached the disk.
  void Write(const Checkpoint& checkpoint);

  // The job is finished: removes the folder, if nobody else made it.
  void Remove();

 private:
  void Load();
  void Leave();

  OwnFolder folder_;
  JobOptions options_, left_options_;
  std::optional<Checkpoint> left_, found_;
  std::string damage_;  // why what was left cannot be read
  JobFiles files_;
  int lock_ = -1;
  bool written_ = false;  // there is a checkpoint
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOURNAL_H_
