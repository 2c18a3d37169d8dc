#ifndef UFFIZI_DATASET_COCO_FILE_H_
#define UFFIZI_DATASET_COCO_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

namespace uffizi::dataset {

// An existing COCO file as text to whose lists items can be appended.
struct CocoFile {
  std::string head;                 // everything except the three lists, up to that of the images
  std::string images, annotations;  // "\n{...},\n{...}"
  std::vector<std::string> categories;  // "{...}"
  std::vector<std::string> category_names;
  std::vector<int64_t> category_ids;
  std::unordered_set<std::string> pictures;                        // file names
  int64_t last_image = 0, last_annotation = 0, last_category = 0;  // the largest numbers
  int64_t annotation_count = 0;
};

// Throws Error: kInvalidArgument if it is not a COCO file, kNotFound, kIo.
CocoFile ReadCocoFile(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_COCO_FILE_H_
