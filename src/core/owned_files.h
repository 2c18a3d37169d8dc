#ifndef UFFIZI_CORE_OWNED_FILES_H_
#define UFFIZI_CORE_OWNED_FILES_H_

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace uffizi {

// The only code of the program that makes, replaces, cuts, links, moves or removes files, so that
// what a person has is never lost: nothing here takes a name at which anything stands, unless its
// caller shows that it knows what stands there (a FileIdentity), and nothing is removed that was
// not made here. scripts/check_destructive.py holds everybody else to it. All functions throw
// Error(kIo) that names the file, and Error(kInvalidArgument) if something stands in the way.

// What tells a file from any other that may stand under its name later, and one state of it from
// another. A link is told from what it leads to.
struct FileIdentity {
  uint64_t inode = 0, size = 0;
  int64_t born = 0;  // ns; 0 where the file system does not tell
  int64_t modified = 0;
  bool operator==(const FileIdentity&) const = default;
};

// Nothing if nothing stands there.
std::optional<FileIdentity> IdentityOf(const std::filesystem::path& path);

// Makes a folder and those above it.
void MakeFolders(const std::filesystem::path& folder);

// What may be done before a new file takes its name: `identity` is what it will have there.
using BeforeNaming = std::function<void(const FileIdentity& identity)>;

// A file that appears whole or not at all. It is written under another name in the same folder,
// which is made if need be.
class OutFile {
 public:
  explicit OutFile(std::filesystem::path place, std::string_view token = {});
  // Leaves nothing behind unless Finish was called.
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  void Write(std::string_view bytes);

  struct Naming {
    std::optional<FileIdentity> over;  // what may be replaced; nothing may stand there if empty
    bool durable = false;              // it has reached the disk before it takes the name
    BeforeNaming before;
  };
  void Finish(const Naming& naming);
  void Finish() { Finish({}); }

  // As Finish, but the file stays open and belongs to the caller.
  int FinishOpen(const Naming& naming);

 private:
  std::filesystem::path place_, part_;
  int file_ = -1;
  std::string buffer_;
};

// Files that are written under another name first are called kPartPrefix + token + ...
// + kPartSuffix; a job that was killed finds its own by its token.
inline constexpr std::string_view kPartPrefix = ".uffizi-";
inline constexpr std::string_view kPartSuffix = ".part";
std::string MakeToken();
// Removes what a killed process of that token left in a folder.
void RemoveParts(const std::filesystem::path& folder, std::string_view token);

// Writes a whole file.
void WriteFile(const std::filesystem::path& path, std::string_view bytes,
               const OutFile::Naming& naming = {}, std::string_view token = {});

// Makes a symbolic link.
void MakeLink(const std::filesystem::path& target, const std::filesystem::path& link,
              const OutFile::Naming& naming = {}, std::string_view token = {});

// Opens a file that the caller knows for its own to write on behind `length` bytes; what comes
// after them is cut off. kInvalidArgument if it is shorter, a link, or has other names.
int ReopenFile(const std::filesystem::path& path, uint64_t length);

// Opens what is no regular file (a pipe, a terminal, /dev/null), or any file through /dev/fd, to
// write to its end.
int OpenStream(const std::filesystem::path& path);

// Copies a file's content; permissions are those of a new file.
void CopyNew(const std::filesystem::path& from, const std::filesystem::path& to);

// A file without a name, beside `place`, that is gone with the object.
class NamelessFile {
 public:
  explicit NamelessFile(const std::filesystem::path& place);
  ~NamelessFile();
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  void Write(std::string_view bytes);
  uint64_t size() const { return size_; }
  // Hands all of it to `take`, piece by piece.
  void Read(const std::function<void(std::string_view)>& take);

 private:
  std::filesystem::path place_;
  std::FILE* file_;
  uint64_t size_ = 0;
};

// Moves a file or folder that this program made to where nothing stands, in the same file system.
void MoveNew(const std::filesystem::path& from, const std::filesystem::path& to);

// Opens a file to be locked, which is made if nothing stands there. What it holds stays. -1 with
// errno set if that fails.
int OpenLockFile(const std::filesystem::path& path);

// Opens a log to write to its end, and makes it if nothing stands there. -1 with errno set if that
// fails.
int OpenLog(const std::filesystem::path& path);

// Removes a socket on which nobody listens any more; what is no socket stays.
void RemoveSocket(const std::filesystem::path& path);

// Downloads under way, which another process may go on with: their names end in ".part" or
// ".part.etag".
std::FILE* OpenPart(const std::filesystem::path& part, bool append);
void WritePart(const std::filesystem::path& part, std::string_view bytes);
void RemovePart(const std::filesystem::path& part);
void FinishPart(const std::filesystem::path& part, const std::filesystem::path& place);

}  // namespace uffizi

#endif  // UFFIZI_CORE_OWNED_FILES_H_
