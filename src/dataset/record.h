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

// A picture of a collection, before anything is known about its pixels.
struct PictureRef {
  std::string name;            // as records call it: a path, or "shard.tar/0001.jpg"
  std::filesystem::path file;  // where it lies; empty if inside an archive
  // What its outputs are called, with folders and without extension: "sub/cat". Relative and free
  // of "..", but not always unique: see OutputNames.
  std::filesystem::path stem;
  // Set if this stands for something that could not be listed, such as a closed folder.
  std::optional<Error> error = std::nullopt;
  // Of a page or frame of a file: its number from 1, 0 if this is the whole file; how many there
  // are, 0 if nobody knows; and the seconds into an animation or video.
  size_t page = 0, pages = 0;
  std::optional<double> seconds = std::nullopt;
};

// Everything that a job found out about one picture.
struct Record {
  size_t index = 0;  // in the collection
  PictureRef picture;
  std::filesystem::path output_name;  // unique in the job, "sub/cat"
  std::filesystem::path sidecar;      // of a file beside the picture, without its extension
  std::filesystem::path yolo_name;    // in a YOLO data set, below labels/ and images/
  bool in_data_set = false;           // lies in the data set's images/ already
  int width = 0, height = 0;          // pixels; 0 if it could not be decoded
  std::vector<Result> results;        // in the order of the questions
  std::vector<Error> errors;          // of the picture, or of single questions
  bool already_there = false;         // not asked about: all that would come of it is there already
  size_t outside = 0;                 // regions left out, as their label is none of the classes
};

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_RECORD_H_
