#include "import/zip_archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBombFloor = uint64_t{64}
                                << 20;  // unpacked bytes that are allowed at any compression ratio
constexpr uint64_t kBombRatio = 200;
constexpr size_t kMaxMembers = 100'000;
constexpr size_t kMaxName = 1024;
constexpr size_t kBufferBytes = 1 << 16;

bool BeginsAsZip(std::string_view bytes) {
  return bytes.starts_with("PK\3\4") || bytes.starts_with("PK\5\6");
}

[[noreturn]] void Fail(const std::string& zip, const std::string& reason) {
  throw Error(ErrorCode::kInvalidModel, zip + ": " + reason);
}

// The members of a zip, one after the other.
class ZipReader {
 public:
  // Opens a file and reads its central directory.
  explicit ZipReader(const fs::path& file) : ZipReader(file.string()) {
    archive_read_support_format_zip_seekable(reader_.get());
    Expect(archive_read_open_filename(reader_.get(), file.c_str(), kBufferBytes));
  }

  // Reads a member of another zip: `begin`, and what follows it. `name` is used in messages.
  ZipReader(ZipReader& outer, std::string_view begin, std::string name)
      : ZipReader(std::move(name)) {
    outer_ = &outer;
    begin_ = begin;
    archive_read_support_format_zip_streamable(reader_.get());
    Expect(archive_read_open(reader_.get(), this, nullptr, ReadOuter, nullptr));
  }
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::string& name() const { return name_; }
  archive_entry* entry() const { return entry_; }

  bool Next() {
    const int status = archive_read_next_header(reader_.get(), &entry_);
    if (status == ARCHIVE_EOF) return false;
    // A name in another encoding than this process's only gives a warning.
    if (status != ARCHIVE_WARN) Expect(status);
    return true;
  }

  // The member's next bytes; 0 at its end.
  size_t Read(std::span<char> buffer) {
    const la_ssize_t got = archive_read_data(reader_.get(), buffer.data(), buffer.size());
    if (got < 0) Damaged();
    return static_cast<size_t>(got);
  }

 private:
  struct Free {
    void operator()(archive* reader) const { archive_read_free(reader); }
  };

  explicit ZipReader(std::string name) : name_(std::move(name)), reader_(archive_read_new()) {}

  void Expect(int status) {
    if (status != ARCHIVE_OK) Damaged();
  }

  [[noreturn]] void Damaged() {
    const char* reason = archive_error_string(reader_.get());
    Fail(name_, std::string("is damaged or no zip: ") + (reason == nullptr ? "cut off" : reason));
  }

  static la_ssize_t ReadOuter(archive* reader, void* self_pointer, const void** bytes) {
    auto* self = static_cast<ZipReader*>(self_pointer);
    if (!self->begin_.empty()) {
      *bytes = self->begin_.data();
      return static_cast<la_ssize_t>(std::exchange(self->begin_, {}).size());
    }
    *bytes = self->buffer_.data();
    const la_ssize_t got =
        archive_read_data(self->outer_->reader_.get(), self->buffer_.data(), self->buffer_.size());
    if (got < 0) {
      const char* reason = archive_error_string(self->outer_->reader_.get());
      archive_set_error(reader, EIO, "%s", reason == nullptr ? "cut off" : reason);
      return ARCHIVE_FATAL;
    }
    return got;
  }

  std::string name_;
  std::unique_ptr<archive, Free> reader_;
  archive_entry* entry_ = nullptr;
  ZipReader* outer_ = nullptr;
  std::string_view begin_;
  std::array<char, kBufferBytes> buffer_;
};

// The path of a member below the folder.
fs::path SafeName(const ZipReader& zip) {
  const char* raw = archive_entry_pathname_utf8(zip.entry());
  if (raw == nullptr) raw = archive_entry_pathname(zip.entry());
  const std::string name = raw == nullptr ? "" : raw;
  const fs::path path(name);
  bool safe = !name.empty() && name.size() <= kMaxName && path.is_relative() &&
              name.find('\\') == std::string::npos && name.find(':') == std::string::npos;
  for (const fs::path& part : path) safe = safe && part != "..";
  for (const char c : name) safe = safe && static_cast<unsigned char>(c) >= 0x20;
  if (!safe) Fail(zip.name(), "has a member whose name leads out of the archive");
  return path.lexically_normal();
}

class Unzipper {
 public:
  Unzipper(const fs::path& zip, const fs::path& folder, uint64_t max_bytes)
      : zip_(zip), folder_(folder), max_bytes_(max_bytes), zip_bytes_(fs::file_size(zip)) {}

  void Run() {
    Check();
    ZipReader reader(zip_);
    MakeFolders(folder_);
    ExtractAll(reader, folder_, /*nested=*/false);
  }

 private:
  // Checks all names and declared sizes first, so that a bad archive leaves nothing behind.
  void Check() {
    ZipReader reader(zip_);
    Names names;
    uint64_t total = 0;
    while (reader.Next()) {
      names.Add(reader);
      if (!archive_entry_size_is_set(reader.entry())) continue;
      const auto size = static_cast<uint64_t>(archive_entry_size(reader.entry()));
      if (size > max_bytes_) CheckTotal(size);
      total += size;
      CheckTotal(total);
    }
  }

  // Checks names and types of members.
  class Names {
   public:
    fs::path Add(const ZipReader& zip) {
      const fs::path name = SafeName(zip);
      const bool is_file = archive_entry_filetype(zip.entry()) != AE_IFDIR;
      if (!names_.emplace(name, is_file).second) {
        Fail(zip.name(), "has two members of the name " + name.string());
      }
      for (fs::path above = name.parent_path(); !above.empty(); above = above.parent_path()) {
        const auto found = names_.find(above);
        if (found != names_.end() && found->second)
          Fail(zip.name(), above.string() + " is not a folder");
      }
      if (names_.size() > kMaxMembers) Fail(zip.name(), "has too many members");
      const auto type = archive_entry_filetype(zip.entry());
      if (type != AE_IFREG && type != AE_IFDIR) {
        Fail(zip.name(), name.string() + " is a link or special file");
      }
      if (archive_entry_is_encrypted(zip.entry()) != 0) {
        Fail(zip.name(), name.string() + " is encrypted");
      }
      return name;
    }

   private:
    std::map<fs::path, bool> names_;  // and whether each is a file
  };

  void CheckTotal(uint64_t total) const {
    if (total > max_bytes_ || (total > kBombFloor && total / kBombRatio > zip_bytes_)) {
      Fail(zip_.string(), "unpacks to far more than a model of its size; nothing more is unpacked");
    }
  }

  void ExtractAll(ZipReader& zip, const fs::path& folder, bool nested) {
    Names names;
    while (zip.Next()) {
      const fs::path name = names.Add(zip), path = folder / name;
      if (archive_entry_filetype(zip.entry()) == AE_IFDIR) {
        MakeFolders(path);
        continue;
      }
      std::array<char, kBufferBytes> buffer;
      size_t got = zip.Read(buffer);
      if (!nested && name.extension() == ".xml" && BeginsAsZip({buffer.data(), got})) {
        unpacked_ += got;
        ZipReader inner(zip, {buffer.data(), got}, zip.name() + ": " + name.string());
        MakeFolders(path);
        ExtractAll(inner, path, /*nested=*/true);
        continue;
      }
      OutFile out(path);
      for (; got > 0; got = zip.Read(buffer)) {
        unpacked_ += got;
        CheckTotal(unpacked_);  // the declared sizes may be wrong
        out.Write({buffer.data(), got});
      }
      out.Finish();
    }
  }

  const fs::path& zip_;
  const fs::path& folder_;
  uint64_t max_bytes_, zip_bytes_, unpacked_ = 0;
};

}  // namespace

bool IsZip(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  char magic[4] = {};
  in.read(magic, sizeof(magic));
  return in && BeginsAsZip({magic, sizeof(magic)});
}

void Unzip(const fs::path& zip, const fs::path& folder, uint64_t max_bytes) {
  try {
    Unzipper(zip, folder, max_bytes).Run();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, zip.string() + ": " + error.code().message());
  }
}

}  // namespace uffizi
