#include "hub/pull.h"
#include "import/import.h"
#include "uffizi/models.h"

namespace uffizi {
namespace fs = std::filesystem;

fs::path ResolveModel(const fs::path& name_or_path, const PullCallback& progress) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) return LocalModelFolder(name_or_path);
  if (!ModelName::IsOne(name_or_path.string())) {
    throw Error(ErrorCode::kNotFound, name_or_path.string() + ": no such model folder");
  }
  try {
    return PullModel(
        ModelName(name_or_path.string()),
        [](const fs::path& archive, const fs::path& out) { ImportModel(archive, out); }, progress);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, error.path1().string() + ": " + error.code().message());
  }
}

}  // namespace uffizi
