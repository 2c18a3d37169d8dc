#include "dataset/sink.h"

#include <algorithm>

#include "core/mapped_file.h"

namespace uffizi::dataset {

namespace fs = std::filesystem;

namespace {

bool HasContent(const fs::path& path, std::string_view bytes) {
  std::error_code ignored;
  return fs::is_regular_file(fs::symlink_status(path, ignored)) &&
         fs::file_size(path, ignored) == bytes.size() && ReadFile(path) == bytes;
}

}  // namespace

std::vector<fs::path> Sink::InTheWay() {
  std::vector<fs::path> found;
  if (existing_ == Existing::kOverwrite) return found;
  for (const AppendFile* file : files()) {
    const fs::path& path = file->path();
    if (!path.empty() && !IsStream(path) && job_files_->IsOthers(path)) found.push_back(path);
  }
  return found;
}

std::vector<fs::path> Sink::InTheWayOf(const Record& record) const {
  if (existing_ == Existing::kOverwrite || Keeps()) return {};
  std::vector<fs::path> paths = FilesOf(record);
  std::erase_if(paths, [&](const fs::path& path) { return !job_files_->IsOthers(path); });
  return paths;
}

bool Sink::Has(const Record& record) const {
  const std::vector<fs::path> paths = FilesOf(record);
  return std::any_of(paths.begin(), paths.end(),
                     [&](const fs::path& path) { return job_files_->IsOthers(path); });
}

void Sink::WritePictureFile(const fs::path& path, std::string_view bytes) const {
  std::optional<FileIdentity> over;
  if (job_files_->IsOthers(path)) {
    if (Keeps()) return CountKept();
    if (existing_ == Existing::kOverwrite) over = IdentityOf(path);
    // Possible after a power cut, which may lose the record of the last written files.
    if (HasContent(path, bytes)) return;
  }
  job_files_->Write(path, bytes, over);
}

}  // namespace uffizi::dataset
