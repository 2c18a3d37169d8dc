#include <algorithm>
#include <utility>

#include "dataset/pages.h"
#include "dataset/source.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// A folder and all below it. Only the listings of the folders above the current picture are kept in
// memory. Hidden files and folders are skipped, and so are links to folders, which may form cycles.
class Folder : public Source {
 public:
  Folder(const fs::path& root, const std::vector<fs::path>& skipped, bool videos)
      : root_(root), videos_(videos) {
    std::error_code ignored;
    for (const fs::path& folder : skipped)
      skipped_.push_back(fs::weakly_canonical(folder, ignored));
    Enter(root);
  }

  bool Next(PictureRef& picture) override {
    while (true) {
      if (failed_) {
        picture = {failed_->second.string(), failed_->second, SafeStem(failed_->second),
                   std::move(failed_->first)};
        failed_.reset();
        return true;
      }
      if (levels_.empty()) return false;
      Level& level = levels_.back();
      if (level.next == level.entries.size()) {
        levels_.pop_back();
        continue;
      }
      const Entry& entry = level.entries[level.next++];
      const fs::path path = level.folder / entry.name;
      if (entry.is_folder) {
        Enter(path);
        continue;
      }
      file_ = path;
      picture = {path.string(), path, SafeStem(path.lexically_relative(root_)), std::nullopt};
      return true;
    }
  }

  std::string Read(size_t max_bytes) override { return ReadPictureFile(file_, max_bytes); }

  LeftOut left_out() const override { return left_out_; }

 private:
  struct Entry {
    std::string name;
    bool is_folder;
  };
  struct Level {
    fs::path folder;
    std::vector<Entry> entries;  // sorted
    size_t next = 0;
  };

  void Enter(const fs::path& folder) {
    std::error_code error;
    if (!skipped_.empty() && folder != root_) {
      const fs::path canonical = fs::weakly_canonical(folder, error);
      if (std::find(skipped_.begin(), skipped_.end(), canonical) != skipped_.end()) return;
    }
    Level level{folder, {}, 0};
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
      std::string name = at->path().filename().string();
      if (name.front() == '.') continue;
      std::error_code ignored;
      const bool is_folder = !at->is_symlink(ignored) && at->is_directory(ignored);
      if (is_folder || HasPictureExtension(name) || (videos_ && IsVideo(name))) {
        level.entries.push_back({std::move(name), is_folder});
      } else {
        ++left_out_[at->path().extension().string()];
      }
    }
    if (error) {
      failed_.emplace(Error(ErrorCode::kIo,
                            folder.string() + ": the folder cannot be listed: " + error.message()),
                      folder);
      return;
    }
    std::sort(level.entries.begin(), level.entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    levels_.push_back(std::move(level));
  }

  fs::path root_;
  bool videos_;
  LeftOut left_out_;
  std::vector<fs::path> skipped_;
  std::vector<Level> levels_;
  std::optional<std::pair<Error, fs::path>> failed_;
  fs::path file_;
};

}  // namespace

std::unique_ptr<Source> OpenFolder(const fs::path& folder, const std::vector<fs::path>& skipped,
                                   bool videos) {
  return std::make_unique<Folder>(folder, skipped, videos);
}

}  // namespace uffizi::dataset
