#ifndef UFFIZI_DATASET_SURVEY_H_
#define UFFIZI_DATASET_SURVEY_H_

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dataset/job.h"

namespace uffizi::dataset {

// An output as it was asked for.
struct NamedOutput {
  std::string option;  // "--coco"
  std::filesystem::path path;
  bool is_folder = false;
};

// What is read, beside the pictures: archives, tables, lists, models. Folders with all in them.
using OtherInputs = std::vector<std::filesystem::path>;

// Refuses outputs that are inputs, or that two options share, before anything is opened. Throws
// Error(kInvalidArgument).
void CheckOutputs(const std::vector<NamedOutput>& outputs, const OtherInputs& inputs);

// Looks at everything that a job will make, before it begins: how many pictures there are (nothing
// if only reading all of an archive tells). Throws Error(kInvalidArgument) if outputs exist that
// are not the job's and that nothing was said about, or that are pictures of the job.
std::optional<size_t> Survey(Job& job, const std::vector<NamedOutput>& outputs);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SURVEY_H_
