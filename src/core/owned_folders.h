#ifndef UFFIZI_CORE_OWNED_FOLDERS_H_
#define UFFIZI_CORE_OWNED_FOLDERS_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// Folders that this program makes. As in owned_files.h, nothing that others made is removed or
// replaced, and all functions throw Error(kIo), or Error(kInvalidArgument) if something is in the
// way.

// A new folder beside `place`. The destructor removes it with everything in it. The constructor
// removes those for the same place that killed processes left behind.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::filesystem::path& place);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  // Moves a file that this program made, such as a download, into this folder.
  void TakeIn(const std::filesystem::path& from, const std::filesystem::path& made) const;

  // Moves a file or folder out of this one to `place`, which must not exist or be an empty folder.
  void MoveOut(const std::filesystem::path& made, const std::filesystem::path& place) const;

  // Moves each file of a folder of this one into `folder`, over files of the same names there if
  // `replaces` allows it. Everything else in it is kept.
  void MoveOver(const std::filesystem::path& made, const std::filesystem::path& folder,
                const std::function<bool(const std::filesystem::path& name)>& replaces) const;

 private:
  void CheckInside(const std::filesystem::path& made) const;

  std::filesystem::path path_;
  int lock_ = -1;  // a file in it
};

// A folder in which this program keeps files of its own, known by their names.
class OwnFolder {
 public:
  // kInvalidArgument if it contains anything else or is not a folder. Creates nothing yet. `by_us`:
  // an empty folder there was made by this program.
  OwnFolder(std::filesystem::path path, std::vector<std::string> names, bool by_us);

  // Creates the folder if it does not exist.
  void Make();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Place(const std::string& name) const;

  // Locks this folder against other processes while the returned file is open. kInvalidArgument if
  // another process has it. Call Make() first.
  int Lock() const;
  // Opens one of its files for reading and appending, and creates it if it does not exist.
  int OpenToAppend(const std::string& name) const;
  // Replaces one of its files atomically.
  void Write(const std::string& name, std::string_view bytes);
  void Remove(const std::string& name);
  // Removes all its files, the folder itself if this program made it, and empty folders above it
  // that this object made.
  void RemoveAll();

 private:
  void CheckContent() const;
  // Removes the folders that this program made, if they are empty.
  void RemoveFolders();
  bool IsKnown(const std::string& name) const;

  std::filesystem::path path_;
  std::vector<std::string> names_;
  bool ours_;
  std::vector<std::filesystem::path> made_above_;  // from the deepest up
};

// Removes a folder if it is empty.
void RemoveIfEmpty(const std::filesystem::path& folder);

}  // namespace uffizi

#endif  // UFFIZI_CORE_OWNED_FOLDERS_H_
