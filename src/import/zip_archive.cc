#include "import/zip_archive.h"

#include <zip.h>

#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>

#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBombFloor = uint64_t{64} << 20;  // bytes that may come of nearly nothing
constexpr uint64_t kBombRatio = 200;
constexpr zip_int64_t kMaxMembers = 100'000;
constexpr size_t kMaxName = 1024;

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

[[noreturn]] void Fail(const fs::path& zip, const std::string& reason) {
  throw Error(ErrorCode::kInvalidModel, zip.string() + ": " + reason);
}

// The path of a member below the folder.
fs::path SafeName(const fs::path& zip, const char* raw) {
  const std::string name = raw == nullptr ? "" : raw;
  const fs::path path(name);
  bool safe = !name.empty() && name.size() <= kMaxName && path.is_relative() &&
              name.find('\\') == std::string::npos && name.find(':') == std::string::npos;
  for (const fs::path& part : path) safe = safe && part != "..";
  for (const char c : name) safe = safe && static_cast<unsigned char>(c) >= 0x20;
  if (!safe) Fail(zip, "has a member whose name leads out of the archive; nothing is unpacked");
  return path.lexically_normal();
}

// Throws if a member is neither a file nor a folder, by what the system that made it noted.
void CheckKind(const fs::path& zip, zip_t* archive, zip_uint64_t index, const fs::path& name) {
  constexpr zip_uint32_t kTypeMask = 0170000, kFile = 0100000, kFolder = 0040000;
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (zip_file_get_external_attributes(archive, index, 0, &system, &attributes) != 0) return;
  const zip_uint32_t type = attributes >> 16 & kTypeMask;
  if (system == ZIP_OPSYS_UNIX && type != 0 && type != kFile && type != kFolder) {
    Fail(zip, name.string() + " is a link or special file; nothing is unpacked");
  }
}

class Unzipper {
 public:
  Unzipper(const fs::path& zip, const fs::path& folder, uint64_t max_bytes)
      : zip_(zip), folder_(folder), max_bytes_(max_bytes), zip_bytes_(fs::file_size(zip)) {}

  void Run() {
    int code = 0;
    const std::unique_ptr<zip_t, CloseArchive> archive(
        zip_open(zip_.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (!archive) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      Fail(zip_, "is damaged or no zip: " + reason);
    }
    const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
    if (count > kMaxMembers) Fail(zip_, "has too many members");
    Check(archive.get(), static_cast<zip_uint64_t>(count));
    MakeFolders(folder_);
    for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) Extract(archive.get(), i);
  }

 private:
  // All names and declared sizes first, so that a bad archive leaves nothing behind.
  void Check(zip_t* archive, zip_uint64_t count) {
    std::set<fs::path> names;
    uint64_t total = 0;
    for (zip_uint64_t i = 0; i < count; ++i) {
      zip_stat_t stat;
      if (zip_stat_index(archive, i, 0, &stat) != 0) Fail(zip_, "is damaged");
      const fs::path name = SafeName(zip_, stat.name);
      if (!names.insert(name).second) Fail(zip_, "has two members of the name " + name.string());
      CheckKind(zip_, archive, i, name);
      if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE) {
        Fail(zip_, name.string() + " is encrypted");
      }
      if (stat.size > max_bytes_) CheckTotal(stat.size);
      total += stat.size;
      CheckTotal(total);
    }
  }

  void CheckTotal(uint64_t total) const {
    if (total > max_bytes_ || (total > kBombFloor && total / kBombRatio > zip_bytes_)) {
      Fail(zip_, "unpacks to far more than a model of its size; nothing more is unpacked");
    }
  }

  void Extract(zip_t* archive, zip_uint64_t index) {
    const std::string raw = zip_get_name(archive, index, 0);
    const fs::path path = folder_ / SafeName(zip_, raw.c_str());
    if (raw.back() == '/') return MakeFolders(path);
    OutFile out(path);
    const std::unique_ptr<zip_file_t, CloseMember> member(zip_fopen_index(archive, index, 0));
    if (!member) Fail(zip_, raw + ": " + zip_strerror(archive));
    std::array<char, 1 << 16> buffer;
    const uint64_t begin = unpacked_;
    while (true) {
      const zip_int64_t got = zip_fread(member.get(), buffer.data(), buffer.size());
      if (got < 0) Fail(zip_, raw + " is damaged: " + zip_file_strerror(member.get()));
      if (got == 0) break;
      unpacked_ += static_cast<uint64_t>(got);
      CheckTotal(unpacked_);  // the declared sizes may lie
      out.Write({buffer.data(), static_cast<size_t>(got)});
    }
    zip_stat_t stat;
    if (zip_stat_index(archive, index, 0, &stat) != 0 || unpacked_ - begin != stat.size) {
      Fail(zip_, raw + " is damaged: it is of another size than the archive says");
    }
    out.Finish();
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
  return in && (std::memcmp(magic, "PK\3\4", 4) == 0 || std::memcmp(magic, "PK\5\6", 4) == 0);
}

void Unzip(const fs::path& zip, const fs::path& folder, uint64_t max_bytes) {
  try {
    Unzipper(zip, folder, max_bytes).Run();
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorCode::kIo, zip.string() + ": " + error.code().message());
  }
}

}  // namespace uffizi
