#ifndef UFFIZI_DATASET_CLASS_LIST_H_
#define UFFIZI_DATASET_CLASS_LIST_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dataset/append_file.h"
#include "uffizi/types.h"

namespace uffizi::dataset {

// Which classes there are, and their numbers: the order in which they stand.
struct ClassNames {
  std::vector<std::string> names;
  bool fixed = false;  // other labels are left out; else they come behind
};

// The names of a list on the command line. Throws Error(kInvalidArgument) if one is empty or there
// twice.
ClassNames FixedClasses(std::vector<std::string> names);

// Finds classes by labels. In a fixed list the case of letters may differ.
class ClassIndex {
 public:
  explicit ClassIndex(ClassNames classes);

  std::optional<size_t> Find(const std::string& label) const;
  // As Find, but a label that is new comes behind, unless the list is fixed.
  std::optional<size_t> FindOrAdd(const std::string& label);

  const std::vector<std::string>& names() const { return classes_.names; }
  bool fixed() const { return classes_.fixed; }

 private:
  void Index(size_t id);

  ClassNames classes_;
  std::map<std::string, size_t> ids_;
};

// The classes of a data set in the making, kept in a file of one name a line, so that a job that
// goes on gives the same numbers.
class ClassList {
 public:
  // `path`: the file, in the job's folder.
  ClassList(const std::filesystem::path& path, ClassNames classes)
      : file_(path), index_(std::move(classes)) {}

  AppendFile& file() { return file_; }

  // Once the file is open: reads what it holds, or writes the names that there are.
  void Begin();

  // The number of a region's class, from 0; nothing if it is to be left out. A region without label
  // is an "object".
  std::optional<size_t> IdOf(const Region& region);

  const std::vector<std::string>& names() const { return index_.names(); }
  size_t outside() const { return outside_; }  // regions that were left out

 private:
  AppendFile file_;
  ClassIndex index_;
  size_t outside_ = 0;
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CLASS_LIST_H_
