#ifndef UFFIZI_DATASET_SURVEY_H_
#define UFFIZI_DATASET_SURVEY_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dataset/job.h"

namespace uffizi::dataset {

// An output and the option that requested it.
struct NamedOutput {
  std::string option;  // "--coco"
  std::filesystem::path path;
  bool is_folder = false;
};

// Other inputs than the pictures: archives, tables, lists, models. A folder includes everything in
// it.
using OtherInputs = std::vector<std::filesystem::path>;

// Rejects outputs that are also inputs or that two options share, before anything is opened. Throws
// Error(kInvalidArgument).
void CheckOutputs(const std::vector<NamedOutput>& outputs, const OtherInputs& inputs);

// Checks everything that a job will make, before it starts. Returns the number of pictures, or
// nothing if this would require reading a whole archive. Throws Error(kInvalidArgument) if an
// output exists that is not the job's and for which no option says what to do, or that is one of
// the job's pictures.
std::optional<size_t> Survey(Job& job, const std::vector<NamedOutput>& outputs);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SURVEY_H_
