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

// The only code of the program that creates, replaces, truncates, links, moves or removes files, so
// that nothing a person has is ever lost. Nothing here writes to a name that exists unless the
// caller proves that it knows what is there (a FileIdentity), and nothing is removed that was not
// made here. scripts/check_destructive.py checks that no other code does any of this. All functions
// throw Error(kIo) that names the file, and Error(kInvalidArgument) if something is in the way.

// Distinguishes a file from any other that may have its name later, and one state of it from
// another. A link is distinguished from its target.
struct FileIdentity {
  uint64_t inode = 0, size = 0;
  int64_t born = 0;  // ns; 0 where the file system does not tell
  int64_t modified = 0;
  bool operator==(const FileIdentity&) const = default;
};

// Returns nothing if the path does not exist.
std::optional<FileIdentity> IdentityOf(const std::filesystem::path& path);

// Writes all of `bytes` to an open file. Returns 0, or the errno.
int WriteAll(int file, std::string_view bytes);

// Makes a folder and those above it.
void MakeFolders(const std::filesystem::path& folder);

// Called before a new file gets its name; `identity` is the one that it will have.
using BeforeNaming = std::function<void(const FileIdentity& identity)>;

// A file that appears whole or not at all. It is written under a temporary name in the same folder,
// which is created if necessary.
class OutFile {
 public:
  explicit OutFile(std::filesystem::path place, std::string_view token = {});
  // Leaves nothing behind unless Finish() was called.
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  void Write(std::string_view bytes);

  struct Naming {
    std::optional<FileIdentity> over;  // what may be replaced; if empty, nothing may be there
    bool durable = false;              // flush the file to disk before it gets its name
    BeforeNaming before;
  };
  void Finish(const Naming& naming);
  void Finish() { Finish({}); }

  // Like Finish(), but the file stays open and belongs to the caller.
  int FinishOpen(const Naming& naming);

 private:
  std::filesystem::path place_, part_;
  int file_ = -1;
  std::string buffer_;
};

// Temporary files are called kPartPrefix + token + ...
// + kPartSuffix; a job that was killed finds its own by its token.
inline constexpr std::string_view kPartPrefix = ".uffizi-";
inline constexpr std::string_view kPartSuffix = ".part";
std::string MakeToken();
// Removes the temporary files that a killed process with this token left in a folder.
void RemoveParts(const std::filesystem::path& folder, std::string_view token);

// Writes a whole file.
void WriteFile(const std::filesystem::path& path, std::string_view bytes,
               const OutFile::Naming& naming = {}, std::string_view token = {});

// Makes a symbolic link.
void MakeLink(const std::filesystem::path& target, const std::filesystem::path& link,
              const OutFile::Naming& naming = {}, std::string_view token = {});

// Opens a file that the caller knows to be its own to continue writing after `length` bytes;
// whatever follows them is truncated. kInvalidArgument if the file is shorter, is a link, or has
// other names.
int ReopenFile(const std::filesystem::path& path, uint64_t length);

// Opens something that is not a regular file (a pipe, a terminal, /dev/null), or any file through
// /dev/fd, to append to it.
int OpenStream(const std::filesystem::path& path);

// Copies a file's content. The copy has the permissions of a new file.
void CopyNew(const std::filesystem::path& from, const std::filesystem::path& to);

// An unnamed file on the file system of `place`. It disappears with the object.
class NamelessFile {
 public:
  explicit NamelessFile(const std::filesystem::path& place);
  ~NamelessFile();
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  void Write(std::string_view bytes);
  uint64_t size() const { return size_; }
  // Passes the whole content to `take`, piece by piece.
  void Read(const std::function<void(std::string_view)>& take);

 private:
  std::filesystem::path place_;
  std::FILE* file_;
  uint64_t size_ = 0;
};

// Moves a file or folder that this program made to a path that does not exist, in the same file
// system.
void MoveNew(const std::filesystem::path& from, const std::filesystem::path& to);

// Opens a file for locking and creates it if it does not exist. Its content is kept. Returns -1
// with errno set on failure.
int OpenLockFile(const std::filesystem::path& path);

// Opens a log to append to it and creates it if it does not exist. Returns -1 with errno set on
// failure.
int OpenLog(const std::filesystem::path& path);

// Removes a socket on which nobody listens any more. Anything that is not a socket is kept.
void RemoveSocket(const std::filesystem::path& path);

// Unfinished downloads, which another process may resume. Their names end in ".part" or
// ".part.etag".
std::FILE* OpenPart(const std::filesystem::path& part, bool append);
void WritePart(const std::filesystem::path& part, std::string_view bytes);
void RemovePart(const std::filesystem::path& part);
void FinishPart(const std::filesystem::path& part, const std::filesystem::path& place);

}  // namespace uffizi

#endif  // UFFIZI_CORE_OWNED_FILES_H_
