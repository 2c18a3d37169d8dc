#include "dataset/source.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <utility>

#include "core/ascii.h"
#include "core/mapped_file.h"
#include "dataset/pages.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// Files whose pages are counted before the job begins.
constexpr size_t kMostReadTwice = 16;

std::string LowerExtension(const fs::path& path) { return ToLower(path.extension().string()); }

bool IsFolder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool IsTable(const fs::path& path) {
  const std::string extension = LowerExtension(path);
  return extension == ".csv" || extension == ".tsv";
}

// The matches of a pattern, sorted bytewise.
std::vector<std::string> ExpandGlob(const std::string& pattern) {
  glob_t found = {};
  const int status = glob(pattern.c_str(), GLOB_NOSORT | GLOB_TILDE, nullptr, &found);
  std::vector<std::string> matches;
  if (status == 0) matches.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (matches.empty()) {
    throw Error(ErrorCode::kNotFound, pattern + ": no such file");
  }
  std::sort(matches.begin(), matches.end());
  return matches;
}

std::vector<std::string> ReadLines(std::istream& in) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

// The pictures of all inputs, one input after the other.
class Chain : public Source {
 public:
  Chain(const std::vector<CollectionInput>& inputs, const CollectionOptions& options)
      : inputs_(inputs), options_(options) {}

  bool Next(PictureRef& picture) override {
    while (true) {
      if (current_ != nullptr) {
        if (current_->Next(picture)) return true;
        Add(current_->left_out(), left_out_);
        current_.reset();
      }
      if (next_ == inputs_.size()) return false;
      const fs::path path = inputs_[next_].path;
      const bool from_list = inputs_[next_++].from_list;
      url_ = IsHttpUrl(path.native()) ? path.native() : "";
      if (!url_.empty()) {
        picture = PictureAt(url_);
        return true;
      }
      current_ = OpenInput(path);
      if (current_ == nullptr) {
        picture = {path.string(), path, SafeStem(from_list ? path : path.filename()), std::nullopt};
        file_ = path;
        return true;
      }
    }
  }

  LeftOut left_out() const override {
    LeftOut all = left_out_;
    if (current_ != nullptr) Add(current_->left_out(), all);
    return all;
  }

  std::string Read(size_t max_bytes) override {
    if (current_ != nullptr) return current_->Read(max_bytes);
    if (!url_.empty()) return ReadPictureAt(url_, options_.fetch, max_bytes);
    return ReadPictureFile(file_, max_bytes);
  }

 private:
  static void Add(const LeftOut& some, LeftOut& all) {
    for (const auto& [extension, count] : some) all[extension] += count;
  }

  // Nothing for a single picture.
  std::unique_ptr<Source> OpenInput(const fs::path& path) const {
    if (IsFolder(path))
      return OpenFolder(path, options_.skipped_folders, !options_.pages.first_only());
    if (IsTar(path)) return OpenTar(path);
    if (IsTable(path)) return OpenCsv(path, options_.csv_column, options_.fetch);
    return nullptr;
  }

  const std::vector<CollectionInput>& inputs_;
  const CollectionOptions& options_;
  size_t next_ = 0;
  std::unique_ptr<Source> current_;
  LeftOut left_out_;  // of previous inputs
  fs::path file_;
  std::string url_;
};

}  // namespace

fs::path SafeStem(const fs::path& path) {
  fs::path safe;
  for (const fs::path& part : path.relative_path()) {
    if (!part.empty() && part != "." && part != "..") safe /= part;
  }
  return safe.empty() ? fs::path("picture") : safe.replace_extension();
}

bool IsCompressedTar(const fs::path& path) {
  const std::string extension = LowerExtension(path);
  if (extension == ".tgz") return true;
  static constexpr std::array kFilters = {".gz", ".bz2", ".xz", ".zst", ".lz4"};
  return std::find(kFilters.begin(), kFilters.end(), extension) != kFilters.end() &&
         LowerExtension(path.stem()) == ".tar";
}

bool IsTar(const fs::path& path) { return LowerExtension(path) == ".tar" || IsCompressedTar(path); }

PictureRef PictureAt(const std::string& url) {
  const size_t host = url.find("://") + 3;
  return {url, "", SafeStem(url.substr(host, url.find_first_of("?#", host) - host))};
}

std::string ReadPictureAt(const std::string& url, const FetchOptions& fetch, size_t max_bytes) {
  FetchOptions options = fetch;
  options.max_bytes = std::min(options.max_bytes, max_bytes);
  return Fetch(url, options);
}

std::string ReadPictureFile(const fs::path& path, size_t max_bytes) {
  std::error_code ignored;  // ReadFile() reports what is wrong with the path
  const uintmax_t size = fs::file_size(path, ignored);
  if (!ignored && size > max_bytes) {
    throw Error(ErrorCode::kImageTooLarge, path.string() + ": " + std::to_string(size) +
                                               " bytes, over the limit of " +
                                               std::to_string(max_bytes) + " bytes");
  }
  return ReadFile(path, max_bytes);
}

Collection::Collection(const std::vector<std::string>& inputs, CollectionOptions options)
    : options_(std::move(options)) {
  for (const std::string& input : inputs) {
    if (input == "-") {
      for (std::string& line : ReadLines(std::cin)) inputs_.push_back({std::move(line), true});
    } else if (!IsHttpUrl(input) && !Exists(input) &&
               input.find_first_of("*?[") != std::string::npos) {
      for (std::string& match : ExpandGlob(input)) inputs_.push_back({std::move(match)});
    } else {
      inputs_.push_back({input});
    }
  }
  for (const CollectionInput& input : inputs_) {
    if (LowerExtension(input.path) == ".parquet") {
      throw Error(
          ErrorCode::kUnsupported,
          input.path +
              ": Parquet files are not supported; use the Python package (docs/python.md), a CSV "
              "file with a column of paths, or a tar");
    }
  }
}

std::unique_ptr<Source> Collection::Open() const {
  return OpenPages(std::make_unique<Chain>(inputs_, options_), options_.pages, options_.decode);
}

bool Collection::IsListed() const {
  return std::none_of(inputs_.begin(), inputs_.end(), [this](const CollectionInput& input) {
    if (IsCompressedTar(input.path)) return true;
    // Counting pages means reading every file, which is not done twice for many files.
    return !options_.pages.first_only() &&
           (inputs_.size() > kMostReadTwice || IsFolder(input.path) || IsTar(input.path) ||
            IsTable(input.path) || IsVideo(input.path));
  });
}

std::optional<size_t> Collection::Count() const {
  if (!IsListed()) return std::nullopt;
  size_t count = 0;
  PictureRef picture;
  for (const auto source = Open(); source->Next(picture);) ++count;
  return count;
}

}  // namespace uffizi::dataset
