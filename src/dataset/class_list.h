#ifndef UFFIZI_DATASET_CLASS_LIST_H_
#define UFFIZI_DATASET_CLASS_LIST_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataset/append_file.h"
#include "uffizi/types.h"

namespace uffizi::dataset {

// The classes, numbered in this order.
struct ClassNames {
  std::vector<std::string> names;
  bool fixed = false;  // other labels are dropped; otherwise they are added at the end
};

// A fixed list from the command line. Throws Error(kInvalidArgument) if a name is empty or occurs
// twice.
ClassNames FixedClasses(std::vector<std::string> names);

// Finds classes by label. In a fixed list, case is ignored.
class ClassIndex {
 public:
  explicit ClassIndex(ClassNames classes);

  std::optional<size_t> Find(const std::string& label) const;
  // Like Find(), but adds a new label at the end unless the list is fixed.
  std::optional<size_t> FindOrAdd(const std::string& label);

  const std::vector<std::string>& names() const { return classes_.names; }
  bool fixed() const { return classes_.fixed; }

 private:
  void Index(size_t id);

  ClassNames classes_;
  std::map<std::string, size_t> ids_;
};

// The classes of a data set while it is written, stored in a file with one name a line, so that a
// resumed job assigns the same numbers.
class ClassList {
 public:
  // `path`: the file, in the job's folder.
  ClassList(const std::filesystem::path& path, ClassNames classes)
      : file_(path), index_(std::move(classes)) {}

  AppendFile& file() { return file_; }

  // Call this once the file is open: reads its names, or writes the initial ones.
  void Begin();

  // The number of a region's class, from 0; nothing if the region is to be dropped. A region
  // without a label is an "object".
  std::optional<size_t> IdOf(const Region& region);

  const std::vector<std::string>& names() const { return index_.names(); }
  size_t outside() const { return outside_; }  // regions that were dropped

 private:
  AppendFile file_;
  ClassIndex index_;
  size_t outside_ = 0;
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CLASS_LIST_H_
