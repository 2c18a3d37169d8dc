#ifndef UFFIZI_DATASET_CLASS_LIST_H_
#define UFFIZI_DATASET_CLASS_LIST_H_

#include <map>
#include <string>
#include <vector>

#include "dataset/append_file.h"
#include "uffizi/types.h"

namespace uffizi::dataset {

// Class names and their numbers, in the order in which they first came, kept in a file of one name
// a line.
class ClassList {
 public:
  explicit ClassList(const std::filesystem::path& path) : file_(path) {}

  AppendFile& file() { return file_; }

  // Reads what the file holds, up to its length.
  void Load();

  // The number of a region's class, from 0. A region without label is an "object".
  size_t IdOf(const Region& region);

  const std::vector<std::string>& names() const { return names_; }

 private:
  AppendFile file_;
  std::map<std::string, size_t> ids_;
  std::vector<std::string> names_;
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CLASS_LIST_H_
