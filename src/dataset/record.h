#ifndef UFFIZI_DATASET_RECORD_H_
#define UFFIZI_DATASET_RECORD_H_

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "uffizi/error.h"
#include "uffizi/types.h"

namespace uffizi::dataset {

// A picture of a collection, before it is decoded.
struct PictureRef {
  std::string name;            // its name in records: a path, or "shard.tar/0001.jpg"
  std::filesystem::path file;  // its path; empty if inside an archive
  // The base name of its outputs, with folders and without extension: "sub/cat". Relative and free
  // of "..", but not always unique: see OutputNames.
  std::filesystem::path stem;
  // Set if this represents something that could not be listed, such as an unreadable folder.
  std::optional<Error> error = std::nullopt;
  // For a page or frame: its number from 1, or 0 for the whole file; the number of pages, or 0 if
  // unknown; and the time in an animation or video in seconds.
  size_t page = 0, pages = 0;
  std::optional<double> seconds = std::nullopt;
};

// A job's results for one picture.
struct Record {
  size_t index = 0;  // in the collection
  PictureRef picture;
  std::filesystem::path output_name;  // unique in the job, "sub/cat"
  std::filesystem::path sidecar;      // path of a file beside the picture, without extension
  std::filesystem::path yolo_name;    // in a YOLO data set, below labels/ and images/
  bool in_data_set = false;           // already in the data set's images/
  int width = 0, height = 0;          // pixels; 0 if it could not be decoded
  std::vector<Result> results;        // in the order of the questions
  std::vector<Error> errors;          // of the picture, or of single questions
  bool already_there = false;         // skipped: all its outputs exist
  size_t outside = 0;  // regions dropped because their label is not among the classes
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_RECORD_H_
