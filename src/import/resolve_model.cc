#include "hub/pull.h"
#include "import/import.h"
#include "uffizi/models.h"

namespace uffizi {
namespace fs = std::filesystem;

namespace {

// Reports the import of an artifact as the last file of a download.
ImportOptions Importing(const PullCallback& progress, int bits) {
  ImportOptions options;
  options.bits = bits;
  if (progress) {
    options.progress = [progress](const ImportProgress& now) {
      return progress({"import", now.done, now.total});
    };
  }
  return options;
}

}  // namespace

fs::path ResolveModel(const fs::path& name_or_path, const PullCallback& progress, int bits) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) {
    return LocalModelFolder(name_or_path, Importing(progress, bits));
  }
  if (!ModelName::IsOne(name_or_path.string())) {
    throw Error(ErrorCode::kNotFound, name_or_path.string() + ": no such model folder");
  }
  try {
    return PullModel(
        ModelName(name_or_path.string()),
        [&](const fs::path& archive, const fs::path& out) {
          ImportModel(archive, out, Importing(progress, 4));
        },
        progress);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, error.path1().string() + ": " + error.code().message());
  }
}

}  // namespace uffizi
