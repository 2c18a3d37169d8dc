#include "dataset/coco_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/mapped_file.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;  // keeps the order of members

constexpr size_t kMaxBytes = size_t{4} << 30;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Entries(const json& list) {
  std::string text;
  for (const json& entry : list) text += (text.empty() ? "\n" : ",\n") + Dump(entry);
  return text;
}

int64_t LargestId(const json& list) {
  int64_t largest = 0;
  for (const json& entry : list) largest = std::max(largest, entry.at("id").get<int64_t>());
  return largest;
}

}  // namespace

CocoFile ReadCocoFile(const fs::path& path) {
  const json content = json::parse(ReadFile(path, kMaxBytes), nullptr, /*allow_exceptions=*/false);
  CocoFile file;
  try {
    const json& images = content.at("images");
    const json& annotations = content.at("annotations");
    const json& categories = content.at("categories");
    file.head = "{";
    for (const auto& [key, value] : content.items()) {
      if (key == "images" || key == "annotations" || key == "categories") continue;
      file.head += json(key).dump() + ": " + Dump(value) + ",\n";
    }
    file.head += "\"images\": [";
    file.images = Entries(images);
    file.annotations = Entries(annotations);
    file.annotation_count = static_cast<int64_t>(annotations.size());
    file.last_image = LargestId(images);
    file.last_annotation = LargestId(annotations);
    file.last_category = LargestId(categories);
    for (const json& image : images) file.pictures.insert(image.at("file_name"));
    for (const json& category : categories) {
      file.categories.push_back(Dump(category));
      file.category_names.push_back(category.at("name"));
      file.category_ids.push_back(category.at("id").get<int64_t>());
    }
  } catch (const json::exception&) {
    throw Error(ErrorCode::kInvalidArgument,
                path.string() + ": is not a COCO file that can be appended to; it was not changed");
  }
  return file;
}

}  // namespace uffizi::dataset
