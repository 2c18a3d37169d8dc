#include "dataset/pages.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace uffizi::dataset {
namespace {

// "2.5" for 2.5 seconds, "2" for 2.
std::string ShortNumber(double number) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), std::round(number * 1000) / 1000).ptr;
  return {buffer, end};
}

class Pages : public Source {
 public:
  Pages(std::unique_ptr<Source> source, PageSelection pages, DecodeOptions decode)
      : source_(std::move(source)), pages_(std::move(pages)), decode_(std::move(decode)) {}

  bool Next(PictureRef& picture) override {
    while (true) {
      if (video_ != nullptr) {
        if (video_->Next(picture)) return true;
        video_.reset();
      }
      if (next_ < selected_.size()) {
        picture = Page(selected_[next_++]);
        return true;
      }
      bytes_.reset();
      selected_.clear();
      next_ = 0;
      if (!source_->Next(file_)) return false;
      if (!file_.error && IsVideo(file_.file)) {
        video_ = OpenVideo(file_, pages_, decode_.max_pixels);
        continue;
      }
      if (file_.error || pages_.first_only() || !Select()) {
        picture = file_;
        return true;
      }
    }
  }

  std::string Read(size_t max_bytes) override {
    if (video_ != nullptr) return video_->Read(max_bytes);
    if (!bytes_) return source_->Read(max_bytes);
    if (next_ < selected_.size()) return *bytes_;
    return std::exchange(bytes_, std::nullopt).value();  // it is not needed again
  }

  LeftOut left_out() const override { return source_->left_out(); }

 private:
  // Finds the pages of the next file. Returns false if it is a single picture.
  bool Select() {
    try {
      bytes_ = source_->Read(decode_.max_file_bytes);
      const auto* data = reinterpret_cast<const uint8_t*>(bytes_->data());
      info_ = InspectPages({data, bytes_->size()}, file_.name, decode_);
    } catch (const Error& error) {
      file_.error = error;
      return false;
    }
    if (info_.count <= 1 && (pages_.ranges.empty() || pages_.Contains(1))) return false;
    for (size_t page = 1; page <= info_.count; ++page) {
      if (!pages_.ranges.empty() && !pages_.Contains(page)) continue;
      if (pages_.every > 0) {
        if (info_.seconds.empty() && pages_.ranges.empty() && page > 1) break;
        if (!info_.seconds.empty() && !IsDue(page)) continue;
      }
      selected_.push_back(page);
    }
    if (selected_.empty()) {
      file_.error = Error(
          ErrorCode::kInvalidArgument,
          file_.name + ": has none of the requested pages; it has " + std::to_string(info_.count));
      return false;
    }
    return true;
  }

  // Whether the frame is shown at a multiple of `every`. The last frame is assumed to last as long
  // as the one before.
  bool IsDue(size_t page) const {
    constexpr double kTolerance = 1e-6;
    const std::vector<double>& begins = info_.seconds;
    const double begin = begins[page - 1];
    double end = begin + pages_.every;
    if (page < begins.size()) {
      end = begins[page];
    } else if (page > 1) {
      end = begin + (begin - begins[page - 2]);
    }
    return std::ceil((begin - kTolerance) / pages_.every) * pages_.every < end - kTolerance;
  }

  PictureRef Page(size_t page) const {
    PictureRef picture = file_;
    picture.page = page;
    picture.pages = info_.count;
    picture.file.clear();  // it is only part of the file
    if (!info_.seconds.empty()) {
      picture.seconds = info_.seconds[page - 1];
      picture.name.append("#t=").append(ShortNumber(*picture.seconds));
    } else {
      picture.name.append("#page=").append(std::to_string(page));
    }
    picture.stem += '-';
    picture.stem += std::to_string(page);
    return picture;
  }

  std::unique_ptr<Source> source_;
  PageSelection pages_;
  DecodeOptions decode_;
  PictureRef file_;
  std::unique_ptr<Source> video_;     // the file, if it is one
  std::optional<std::string> bytes_;  // of the file, if they have been read
  PageInfo info_;
  std::vector<size_t> selected_;
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Source> OpenPages(std::unique_ptr<Source> source, PageSelection pages,
                                  DecodeOptions decode) {
  return std::make_unique<Pages>(std::move(source), std::move(pages), std::move(decode));
}

}  // namespace uffizi::dataset
