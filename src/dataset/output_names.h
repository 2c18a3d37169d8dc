#ifndef UFFIZI_DATASET_OUTPUT_NAMES_H_
#define UFFIZI_DATASET_OUTPUT_NAMES_H_

#include <cstdint>
#include <filesystem>
#include <unordered_set>

namespace uffizi::dataset {

// Gives each picture a name of its own for files made from it: "cat", for a second one "cat.png"
// (its file name), then "cat-2", "cat-3". Depends only on the pictures before it.
class OutputNames {
 public:
  std::filesystem::path Give(const std::filesystem::path& stem,
                             const std::filesystem::path& file_name);

 private:
  bool Take(const std::filesystem::path& name);

  // Hashes rather than names: a million names would be a hundred megabytes, and two names of one
  // hash only cost a "-2".
  std::unordered_set<uint64_t> taken_;
};

// 64-bit FNV-1a of `text`, going on from `hash`.
uint64_t HashText(std::string_view text, uint64_t hash = 0xcbf29ce484222325u);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_OUTPUT_NAMES_H_
