#ifndef UFFIZI_DATASET_JOURNAL_H_
#define UFFIZI_DATASET_JOURNAL_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace uffizi::dataset {

// How far a job is.
struct Checkpoint {
  size_t done = 0;                // pictures whose records are written
  size_t failed = 0;              // of those
  uint64_t names = 0;             // hash of their names
  std::vector<uint64_t> lengths;  // of the sinks' files, bytes
};

// What makes a job this job and no other: names and values, for the message if they differ.
using JobOptions = std::map<std::string, std::string>;

// A folder beside the output that lives as long as the job is not finished. It holds the
// checkpoint, a lock, and what sinks must keep aside.
class Journal {
 public:
  // Locks the folder, which is made if need be. Throws Error(kInvalidArgument) if another process
  // holds it, or if it belongs to a job with other options and `restart` is not set; Error(kIo).
  Journal(std::filesystem::path folder, JobOptions options, bool restart);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  // Where an earlier run of this job got to; nothing if there was none.
  const std::optional<Checkpoint>& found() const { return found_; }

  // Replaces the checkpoint, in one step. What it speaks of must have reached the disk.
  void Write(const Checkpoint& checkpoint);

  // The job is finished: removes the folder.
  void Remove();

 private:
  void Load(bool restart);

  std::filesystem::path folder_;
  JobOptions options_;
  std::optional<Checkpoint> found_;
  int lock_ = -1;
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_JOURNAL_H_
