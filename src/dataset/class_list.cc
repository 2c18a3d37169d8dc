#include "dataset/class_list.h"

#include <algorithm>
#include <fstream>

namespace uffizi::dataset {

void ClassList::Load() {
  std::ifstream in(file_.path(), std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    ids_.emplace(line, names_.size());
    names_.push_back(line);
  }
}

size_t ClassList::IdOf(const Region& region) {
  std::string name = region.label.empty() ? "object" : region.label;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return c < ' '; }, ' ');
  const auto [found, added] = ids_.try_emplace(name, names_.size());
  if (added) {
    names_.push_back(name);
    file_.Append(name + "\n");
  }
  return found->second;
}

}  // namespace uffizi::dataset
