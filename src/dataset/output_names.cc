#include "dataset/output_names.h"

#include <string>

namespace uffizi::dataset {

namespace fs = std::filesystem;

uint64_t HashText(std::string_view text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

bool OutputNames::Take(const fs::path& name) {
  return taken_.insert(HashText(name.native())).second;
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
