#include <cstdlib>
#include <filesystem>

#include "commands.h"
#include "uffizi/error.h"

namespace uffizi::cli {

std::filesystem::path DefaultModel() {
  namespace fs = std::filesystem;
  if (const char* named = std::getenv("UFFIZI_MODEL"); named != nullptr && *named != '\0') {
    return named;
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  // Installed with the program, or in the source tree of build/PRESET/bin.
  for (const char* place : {"../share/uffizi/models/uffizi-tiny", "../../../models/uffizi-tiny"}) {
    const fs::path folder = program / place;
    if (fs::exists(folder / "config.json", ignored)) return fs::weakly_canonical(folder, ignored);
  }
  throw Error(ErrorCode::kNotFound,
              "this program has no included model; name one with --model DIR or UFFIZI_MODEL=DIR");
}

}  // namespace uffizi::cli
