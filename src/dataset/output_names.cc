#include "dataset/output_names.h"

#include <string>
#include <utility>

namespace uffizi::dataset {

namespace fs = std::filesystem;

uint64_t HashText(std::string_view text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

std::string HexOf(uint64_t hash) {
  std::string text(16, '0');
  for (size_t i = text.size(); i-- > 0; hash >>= 4) text[i] = "0123456789abcdef"[hash & 15];
  return text;
}

bool OutputNames::Take(const fs::path& name) {
  return taken_.insert(HashText(name.native())).second;
}

PictureNamer::PictureNamer(Options options) : options_(std::move(options)) {
  std::error_code ignored;
  if (!options_.yolo.empty())
    yolo_images_ = fs::weakly_canonical(options_.yolo / "images", ignored);
}

// The path of a picture that is already below the data set's images/.
std::optional<fs::path> PictureNamer::PlaceInDataSet(const fs::path& file) {
  std::error_code error;
  const fs::path folder = file.parent_path();
  if (folder != last_folder_ || last_canonical_.empty()) {
    last_canonical_ = fs::weakly_canonical(folder.empty() ? fs::path(".") : folder, error);
    last_folder_ = folder;
  }
  const fs::path below = last_canonical_.lexically_relative(yolo_images_);
  if (below.empty() || *below.begin() == "..") return std::nullopt;
  return (below / file.filename()).lexically_normal();
}

void PictureNamer::Name(Record& record) {
  const PictureRef& picture = record.picture;
  record.output_name = outputs_.Give(picture.stem, picture.name);
  if (options_.sidecars && !picture.file.empty()) {
    // Two pictures in a folder may differ only in their extension.
    fs::path stem = picture.file;
    record.sidecar = sidecars_.Give(stem.replace_extension(), picture.file);
  }
  if (options_.yolo.empty()) return;
  const auto place = picture.file.empty() ? std::nullopt : PlaceInDataSet(picture.file);
  record.in_data_set = place.has_value();
  if (place) {
    fs::path stem = *place;
    record.yolo_name = yolo_.Give(stem.replace_extension(), *place);
  } else {
    record.yolo_name = yolo_.Give(picture.stem, picture.name);
  }
}

fs::path OutputNames::Give(const fs::path& stem, const fs::path& file_name) {
  if (Take(stem)) return stem;
  fs::path name = stem.parent_path() / file_name.filename();
  for (int i = 2; !Take(name); ++i) {
    name = stem;
    name += '-';
    name += std::to_string(i);
  }
  return name;
}

}  // namespace uffizi::dataset
