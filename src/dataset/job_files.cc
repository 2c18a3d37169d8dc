#include "dataset/job_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "dataset/output_names.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kTokenLine = "token ";
constexpr std::string_view kFolderLine = "folder ";
// Upper bound on how long a job writes after its last recorded activity.
constexpr int64_t kMargin = 2'000'000'000;

uint64_t HashPath(const fs::path& path) {
  std::error_code ignored;
  return HashText(fs::absolute(path, ignored).lexically_normal().native());
}

// Inodes are reused, and some file systems renumber them with each mount; a birth time is unique.
uint64_t HashNumbers(std::initializer_list<int64_t> numbers) {
  std::string text;
  for (const int64_t number : numbers) text += std::to_string(number) + ' ';
  return HashText(text);
}

int64_t NumberOf(const FileIdentity& identity) {
  return identity.born != 0 ? identity.born : static_cast<int64_t>(identity.inode);
}

uint64_t HashWhole(const FileIdentity& identity) {
  return HashNumbers({NumberOf(identity), static_cast<int64_t>(identity.size), identity.modified});
}

uint64_t HashGrowing(const FileIdentity& identity) { return HashNumbers({NumberOf(identity)}); }

std::string ReadRecord(int record) {
  std::string text, piece(1 << 16, '\0');
  for (off_t at = 0;;) {
    const ssize_t count = pread(record, piece.data(), piece.size(), at);
    if (count < 0) throw Error(ErrorCode::kIo, "the job's record of its files cannot be read");
    if (count == 0) return text;
    text.append(piece, 0, static_cast<size_t>(count));
    at += count;
  }
}

bool ReadHash(std::string_view text, uint64_t& hash) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

JobFiles::~JobFiles() {
  if (record_ >= 0) close(record_);
}

void JobFiles::Attach(int record, int64_t alive) {
  record_ = record;
  alive_ = alive;
  const std::string text = ReadRecord(record);
  std::istringstream lines(text);
  bool known = false;
  for (std::string line; std::getline(lines, line);) {
    Entry entry;
    if (line.starts_with(kTokenLine)) {
      token_ = line.substr(kTokenLine.size());
      known = true;
    } else if (line.starts_with(kFolderLine)) {
      const json folder = json::parse(line.substr(kFolderLine.size()), nullptr, false);
      if (folder.is_string()) folders_.insert(folder.get<std::string>());
    } else if (line.size() == 33 && ReadHash({line.data(), 16}, entry.first) &&
               ReadHash({line.data() + 17, 16}, entry.second)) {
      made_.push_back(entry);
    }
  }
  std::sort(made_.begin(), made_.end());
  for (const std::string& folder : folders_) RemoveParts(folder, token_);
  folders_.clear();
  // A line that was cut off when the job was killed must not spoil the next one.
  if (!text.empty() && text.back() != '\n') Note("\n");
  if (!known) Note(std::string(kTokenLine) + token_ + "\n");
}

void JobFiles::Sync() const {
  if (record_ >= 0 && fdatasync(record_) != 0) {
    throw Error(ErrorCode::kIo, std::string("the job's record of its files cannot be written: ") +
                                    std::strerror(errno));
  }
}

bool JobFiles::Owns(const fs::path& path) const {
  const auto identity = made_.empty() ? std::nullopt : IdentityOf(path);
  if (!identity) return false;
  const uint64_t name = HashPath(path);
  const auto has = [&](uint64_t hash) {
    return std::binary_search(made_.begin(), made_.end(), Entry{name, hash});
  };
  return has(HashWhole(*identity)) ||
         (has(HashGrowing(*identity)) && identity->modified <= alive_ + kMargin);
}

bool JobFiles::IsOthers(const fs::path& path) const { return IdentityOf(path) && !Owns(path); }

void JobFiles::Note(const std::string& line) {
  if (record_ < 0) return;
  if (write(record_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw Error(ErrorCode::kIo, std::string("the job's record of its files cannot be written: ") +
                                    std::strerror(errno));
  }
}

void JobFiles::NoteFolder(const fs::path& path) {
  std::error_code ignored;
  const std::string folder = fs::absolute(path, ignored).parent_path().lexically_normal().string();
  const std::lock_guard lock(mutex_);
  if (record_ < 0 || !folders_.insert(folder).second) return;
  if (folders_.size() > 10'000)
    folders_ = {folder};  // they are recorded again then, which is harmless
  Note(std::string(kFolderLine) +
       json(folder).dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

OutFile::Naming JobFiles::NamingFor(const fs::path& path, const std::optional<FileIdentity>& over,
                                    bool grows) {
  NoteFolder(path);
  OutFile::Naming naming;
  naming.over = over;
  if (!naming.over && Owns(path)) naming.over = IdentityOf(path);
  naming.before = [this, &path, grows](const FileIdentity& identity) {
    Note(HexOf(HashPath(path)) + ' ' + HexOf(grows ? HashGrowing(identity) : HashWhole(identity)) +
         '\n');
  };
  return naming;
}

FileIdentity JobFiles::Write(const fs::path& path, std::string_view bytes,
                             const std::optional<FileIdentity>& over) {
  OutFile::Naming naming = NamingFor(path, over, false);
  FileIdentity written;
  naming.before = [&written, note = std::move(naming.before)](const FileIdentity& identity) {
    written = identity;
    note(identity);
  };
  WriteFile(path, bytes, naming, token_);
  return written;
}

void JobFiles::Link(const fs::path& target, const fs::path& link,
                    const std::optional<FileIdentity>& over) {
  MakeLink(target, link, NamingFor(link, over, false), token_);
}

int JobFiles::Grow(const fs::path& path, const std::optional<FileIdentity>& over) {
  const OutFile::Naming naming = NamingFor(path, over, true);
  return OutFile(path, token_).FinishOpen(naming);
}

int JobFiles::GrowOn(const fs::path& path, uint64_t length) {
  if (Owns(path)) return ReopenFile(path, length);
  const bool gone = !IdentityOf(path);
  if (gone && length == 0) return Grow(path);
  throw Error(ErrorCode::kInvalidArgument,
              path.string() + (gone ? ": is missing; --restart starts over"
                                    : ": has changed since the job wrote it, and was kept; move "
                                      "it away and start over with --restart"));
}

}  // namespace uffizi::dataset
