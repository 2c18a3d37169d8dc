#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dataset/source.h"
#include "uffizi/image.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// The bytes of an archive. Skipping never goes beyond the end of the file, unlike in libarchive's
// own reader. So a truncated archive gives the same error whether its last picture is read or
// skipped.
class TarFile {
 public:
  explicit TarFile(const fs::path& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat status = {};
    if (file_ >= 0 && fstat(file_, &status) == 0 && S_ISREG(status.st_mode)) size_ = status.st_size;
  }
  ~TarFile() {
    if (file_ >= 0) close(file_);
  }
  TarFile(const TarFile&) = delete;
  TarFile& operator=(const TarFile&) = delete;

  bool is_open() const { return file_ >= 0; }

  static la_ssize_t Read(archive* reader, void* self, const void** buffer) {
    auto* file = static_cast<TarFile*>(self);
    ssize_t got;
    do {
      got = read(file->file_, file->buffer_, sizeof(file->buffer_));
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      archive_set_error(reader, errno, "%s", std::strerror(errno));
      return ARCHIVE_FATAL;
    }
    *buffer = file->buffer_;
    return got;
  }

  static la_int64_t Skip(archive*, void* self, la_int64_t request) {
    auto* file = static_cast<TarFile*>(self);
    const off_t at = lseek(file->file_, 0, SEEK_CUR);
    if (at < 0) return 0;  // a pipe: libarchive reads and discards instead
    const off_t step = std::min<off_t>(request, std::max<off_t>(0, file->size_ - at));
    return lseek(file->file_, step, SEEK_CUR) < 0 ? 0 : step;
  }

 private:
  int file_;
  off_t size_ = 0;
  char buffer_[1 << 16];
};

// The pictures of a tar in archive order.
class Tar : public Source {
 public:
  explicit Tar(const fs::path& path) : path_(path), file_(path), reader_(archive_read_new()) {
    // The formats that IsCompressedTar() knows. Others would run external programs on the data.
    archive_read_support_filter_gzip(reader_);
    archive_read_support_filter_bzip2(reader_);
    archive_read_support_filter_xz(reader_);
    archive_read_support_filter_zstd(reader_);
    archive_read_support_filter_lz4(reader_);
    archive_read_support_format_tar(reader_);
    if (!file_.is_open()) {
      broken_ = std::string("cannot be opened: ") + std::strerror(errno);
    } else if (archive_read_open2(reader_, &file_, nullptr, TarFile::Read, TarFile::Skip,
                                  nullptr) != ARCHIVE_OK) {
      broken_ = Message();
    }
  }
  ~Tar() override { archive_read_free(reader_); }

  bool Next(PictureRef& picture) override {
    while (!ended_ && broken_.empty()) {
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(reader_, &entry);
      if (status == ARCHIVE_EOF) {
        ended_ = true;
      } else if (status != ARCHIVE_OK && status != ARCHIVE_WARN) {
        broken_ = Message();
      } else if (const char* name = archive_entry_pathname(entry);
                 name != nullptr && archive_entry_filetype(entry) == AE_IFREG &&
                 HasPictureExtension(name)) {
        name_ = (path_ / fs::path(name).relative_path()).string();
        size_ = archive_entry_size(entry);
        picture = {name_, "", ArchiveStem() / SafeStem(name), std::nullopt};
        return true;
      }
    }
    if (ended_) return false;
    ended_ = true;  // one record reports that the rest is missing
    picture = {path_.string(), path_, ArchiveStem(),
               Error(ErrorCode::kIo, path_.string() + ": the archive cannot be read: " + broken_)};
    return true;
  }

  std::string Read(size_t max_bytes) override {
    if (size_ < 0 || static_cast<uint64_t>(size_) > max_bytes) {
      throw Error(ErrorCode::kImageTooLarge, name_ + ": " + std::to_string(size_) +
                                                 " bytes, over the limit of " +
                                                 std::to_string(max_bytes) + " bytes");
    }
    std::string bytes;
    char buffer[1 << 16];
    while (true) {
      const la_ssize_t got = archive_read_data(reader_, buffer, sizeof(buffer));
      if (got < 0) throw Error(ErrorCode::kIo, name_ + ": cannot be read: " + Message());
      if (got == 0) return bytes;
      bytes.append(buffer, static_cast<size_t>(got));
    }
  }

 private:
  // "train-0001" of train-0001.tar.gz.
  fs::path ArchiveStem() const {
    fs::path stem = path_.filename().replace_extension();
    return stem.extension() == ".tar" ? stem.replace_extension() : stem;
  }

  std::string Message() {
    const char* message = archive_error_string(reader_);
    return message != nullptr ? message : "unknown error";
  }

  fs::path path_;
  TarFile file_;
  archive* reader_;
  std::string broken_;  // why nothing more can be read
  bool ended_ = false;
  std::string name_;
  int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Source> OpenTar(const fs::path& path) { return std::make_unique<Tar>(path); }

}  // namespace uffizi::dataset
