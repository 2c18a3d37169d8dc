#ifndef UFFIZI_DATASET_CLASS_FILES_H_
#define UFFIZI_DATASET_CLASS_FILES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi::dataset {

// The names in a list of classes: a line each, or the `names` of a data.yaml as Ultralytics has it
// (a list or a map, in flow or block style), by the ending of the file's name. Throws Error:
// kNotFound, kInvalidArgument if they cannot be read, are not numbered from 0 on, or are none.
std::vector<std::string> ReadClassFile(const std::filesystem::path& file);

// The same for a text. `source` is for messages.
std::vector<std::string> ParseClassLines(std::string_view text, const std::string& source);
std::vector<std::string> ParseYamlNames(std::string_view text, const std::string& source);

// The text of a data.yaml with other names (and their count, if it has one); all else stays. A new
// one for an empty text.
std::string WithYamlNames(std::string_view text, const std::vector<std::string>& names);

// The classes that a YOLO data set has, by its classes.txt and data.yaml.
struct DataSetClasses {
  std::vector<std::string> names;
  bool found = false;
  // Written by this program, and nobody has changed the names since: they may be added to.
  bool ours = false;
};

// Throws Error(kInvalidArgument) if the two disagree or cannot be read. `half_written`: a job may
// have been killed after it had added to one of them.
DataSetClasses ReadDataSetClasses(const std::filesystem::path& folder, bool half_written);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CLASS_FILES_H_
