#ifndef UFFIZI_DATASET_OUTPUT_NAMES_H_
#define UFFIZI_DATASET_OUTPUT_NAMES_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "dataset/record.h"

namespace uffizi::dataset {

// Gives each picture a unique name for files made from it: "cat", for a second one "cat.png" (its
// file name), then "cat-2", "cat-3". Depends only on the pictures before it.
class OutputNames {
 public:
  std::filesystem::path Give(const std::filesystem::path& stem,
                             const std::filesystem::path& file_name);

 private:
  bool Take(const std::filesystem::path& name);

  // Hashes instead of names: a million names would take a hundred megabytes, and a hash collision
  // only adds a "-2".
  std::unordered_set<uint64_t> taken_;
};

// Names the files that are made for each picture. Must see the pictures in order.
class PictureNamer {
 public:
  struct Options {
    bool sidecars = false;       // files will be written beside the pictures
    std::filesystem::path yolo;  // the folder of a YOLO data set, or ""
  };
  explicit PictureNamer(Options options);

  // Gives a record its names.
  void Name(Record& record);

 private:
  std::optional<std::filesystem::path> PlaceInDataSet(const std::filesystem::path& file);

  Options options_;
  std::filesystem::path yolo_images_;                   // without links
  std::filesystem::path last_folder_, last_canonical_;  // of the previous picture
  OutputNames outputs_, sidecars_, yolo_;
};

// 64-bit FNV-1a of `text`, continuing from `hash`.
uint64_t HashText(std::string_view text, uint64_t hash = 0xcbf29ce484222325u);

// 16 digits.
std::string HexOf(uint64_t hash);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_OUTPUT_NAMES_H_
