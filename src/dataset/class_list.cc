#include "dataset/class_list.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "core/ascii.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

// Puts a name on one line, without surrounding blanks.
std::string Clean(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return std::string(Trim(name, " "));
}

}  // namespace

ClassNames FixedClasses(std::vector<std::string> names) {
  std::map<std::string, int> seen;
  for (std::string& name : names) {
    name = Clean(name);
    if (name.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "a class has no name");
    }
    if (++seen[ToLower(name)] > 1) {
      throw Error(ErrorCode::kInvalidArgument, "the class " + name + " is in the list twice");
    }
  }
  return {std::move(names), true};
}

ClassIndex::ClassIndex(ClassNames classes) : classes_(std::move(classes)) {
  for (size_t id = 0; id < classes_.names.size(); ++id) Index(id);
}

void ClassIndex::Index(size_t id) {
  const std::string& name = classes_.names[id];
  ids_.emplace(classes_.fixed ? ToLower(name) : name, id);
}

std::optional<size_t> ClassIndex::Find(const std::string& label) const {
  const auto found = ids_.find(classes_.fixed ? ToLower(label) : label);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<size_t> ClassIndex::FindOrAdd(const std::string& label) {
  const std::optional<size_t> found = Find(label);
  if (found || classes_.fixed) return found;
  classes_.names.push_back(label);
  Index(classes_.names.size() - 1);
  return classes_.names.size() - 1;
}

void ClassList::Begin() {
  if (file_.length() == 0) {
    for (const std::string& name : names()) file_.Append(name + "\n");
    return;
  }
  ClassNames classes{{}, index_.fixed()};
  std::ifstream in(file_.path(), std::ios::binary);
  for (std::string line; std::getline(in, line);) classes.names.push_back(line);
  index_ = ClassIndex(std::move(classes));
}

std::optional<size_t> ClassList::IdOf(const Region& region) {
  std::string name = Clean(region.label);
  if (name.empty()) name = "object";
  const size_t before = names().size();
  const std::optional<size_t> id = index_.FindOrAdd(name);
  if (!id) ++outside_;
  if (names().size() > before) file_.Append(name + "\n");
  return id;
}

}  // namespace uffizi::dataset
