#include <algorithm>
#include <array>
#include <fstream>

#include "core/base64.h"
#include "dataset/csv.h"
#include "dataset/source.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// The pictures named in a column; relative paths are relative to the table's folder. A cell may
// also be the picture itself, in base64.
class Csv : public Source {
 public:
  Csv(const fs::path& path, const std::string& column, const FetchOptions& fetch)
      : path_(path), in_(path, std::ios::binary), fetch_(fetch) {
    if (!in_) throw Error(ErrorCode::kNotFound, path.string() + ": cannot be opened");
    std::string header;
    std::getline(in_, header);
    in_.clear();
    in_.seekg(header.starts_with("\xEF\xBB\xBF") ? 3 : 0);
    for (const char candidate : {'\t', ';'}) {
      if (header.find(candidate) != std::string::npos && header.find(',') == std::string::npos) {
        separator_ = candidate;
      }
    }
    ReadCsvRow(in_, separator_, fields_);
    column_ = FindColumn(column);
    holds_bytes_ = fields_[column_] == "bytes" || fields_[column_] == "base64";
  }

  bool Next(PictureRef& picture) override {
    while (ReadCsvRow(in_, separator_, fields_)) {
      if (fields_.size() == 1 && fields_[0].empty()) continue;  // an empty line
      const std::string value = column_ < fields_.size() ? fields_[column_] : "";
      ++row_;
      if (value.empty()) {
        const std::string where = path_.string() + ": row " + std::to_string(row_);
        picture = {where, "", path_.stem() / std::to_string(row_),
                   Error(ErrorCode::kNotFound, where + " does not name a picture")};
        return true;
      }
      name_ = path_.string() + "/" + std::to_string(row_);
      encoded_ = FindBase64(value);
      if (encoded_) {
        picture = {name_, "", path_.stem() / std::to_string(row_), std::nullopt};
        return true;
      }
      url_ = IsHttpUrl(value) ? value : "";
      if (!url_.empty()) {
        picture = PictureAt(url_);
        return true;
      }
      file_ = path_.parent_path() / value;
      picture = {file_.string(), file_, SafeStem(value), std::nullopt};
      return true;
    }
    return false;
  }

  std::string Read(size_t max_bytes) override {
    if (!encoded_ && !url_.empty()) return ReadPictureAt(url_, fetch_, max_bytes);
    if (!encoded_) return ReadPictureFile(file_, max_bytes);
    if (encoded_->size() / 4 * 3 > max_bytes) {
      throw Error(ErrorCode::kImageTooLarge,
                  name_ + ": over the limit of " + std::to_string(max_bytes) + " bytes");
    }
    std::optional<std::string> bytes = DecodeBase64(*encoded_);
    if (!bytes) throw Error(ErrorCode::kInvalidImage, name_ + ": not a base64 picture");
    return *std::move(bytes);
  }

 private:
  // The part after the header of a data URI, or the whole cell of a column of bytes.
  std::optional<std::string> FindBase64(const std::string& cell) const {
    static constexpr std::string_view kMark = ";base64,";
    if (cell.starts_with("data:")) {
      const size_t mark = cell.find(kMark);
      if (mark != std::string::npos) return cell.substr(mark + kMark.size());
    }
    return holds_bytes_ ? std::optional(cell) : std::nullopt;
  }

  size_t FindColumn(const std::string& name) const {
    static constexpr std::array kUsual = {"path",       "image",      "file",     "file_name",
                                          "filename",   "image_path", "filepath", "file_path",
                                          "image_file", "bytes",      "base64"};
    const auto find = [&](const std::string& wanted) {
      return static_cast<size_t>(std::find(fields_.begin(), fields_.end(), wanted) -
                                 fields_.begin());
    };
    size_t found = fields_.size();
    if (!name.empty()) {
      found = find(name);
    } else {
      for (const char* usual : kUsual) {
        if (found == fields_.size()) found = find(usual);
      }
    }
    if (found == fields_.size()) {
      std::string columns;
      for (const std::string& field : fields_) columns += (columns.empty() ? "" : ", ") + field;
      throw Error(ErrorCode::kInvalidArgument, path_.string() + ": has no column " +
                                                   (name.empty() ? "path" : name) + "; there are " +
                                                   columns + "; name one with --csv-column");
    }
    return found;
  }

  fs::path path_;
  std::ifstream in_;
  FetchOptions fetch_;
  char separator_ = ',';
  size_t column_ = 0;
  bool holds_bytes_ = false;  // pictures in base64, not paths
  size_t row_ = 0;
  std::vector<std::string> fields_;
  std::string name_;
  fs::path file_;
  std::string url_;  // "" if the picture is a file
  std::optional<std::string> encoded_;
};

}  // namespace

std::unique_ptr<Source> OpenCsv(const fs::path& path, const std::string& column,
                                const FetchOptions& fetch) {
  return std::make_unique<Csv>(path, column, fetch);
}

}  // namespace uffizi::dataset
