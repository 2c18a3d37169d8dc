#ifndef UFFIZI_DATASET_CLASS_FILES_H_
#define UFFIZI_DATASET_CLASS_FILES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi::dataset {

// Reads a list of classes: one name a line, or the `names` of a data.yaml in Ultralytics' format (a
// list or a map, in flow or block style), depending on the file's extension. Throws Error:
// kNotFound, or kInvalidArgument if they cannot be parsed, are not numbered from 0, or are empty.
std::vector<std::string> ReadClassFile(const std::filesystem::path& file);

// Parse a text. `source` is used in messages.
std::vector<std::string> ParseClassLines(std::string_view text, const std::string& source);
std::vector<std::string> ParseYamlNames(std::string_view text, const std::string& source);

// Replaces the names in the text of a data.yaml (and their count, if it has one) and keeps
// everything else. Makes a new file if the text is empty.
std::string WithYamlNames(std::string_view text, const std::vector<std::string>& names);

// The classes of a YOLO data set, from its classes.txt and data.yaml.
struct DataSetClasses {
  std::vector<std::string> names;
  bool found = false;
  // Written by this program and not changed since, so names may be added.
  bool ours = false;
};

// Throws Error(kInvalidArgument) if the two disagree or cannot be read. `half_written`: a job may
// have been killed after it had added to one of them.
DataSetClasses ReadDataSetClasses(const std::filesystem::path& folder, bool half_written);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CLASS_FILES_H_
