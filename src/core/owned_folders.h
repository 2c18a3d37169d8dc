#ifndef UFFIZI_CORE_OWNED_FOLDERS_H_
#define UFFIZI_CORE_OWNED_FOLDERS_H_

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// Folders that this program makes. As in owned_files.h, nothing of others is removed or replaced,
// and all functions throw Error(kIo), or Error(kInvalidArgument) if something stands in the way.

// A new folder beside `place`, removed with all in it.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::filesystem::path& place);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

  // Moves a file that this program made, such as a download, into this folder.
  void TakeIn(const std::filesystem::path& from, const std::filesystem::path& made) const;

  // Gives a file or folder of this one its place, where nothing may stand, or an empty folder.
  void MoveOut(const std::filesystem::path& made, const std::filesystem::path& place) const;

  // Moves each file of a folder of this one into `folder`, over those of the same names there if
  // `replaces` tells so. All else in it stays.
  void MoveOver(const std::filesystem::path& made, const std::filesystem::path& folder,
                const std::function<bool(const std::filesystem::path& name)>& replaces) const;

 private:
  void CheckInside(const std::filesystem::path& made) const;

  std::filesystem::path path_;
};

// A folder in which this program keeps files of its own, known by their names.
class OwnFolder {
 public:
  // kInvalidArgument if there is anything else in it, or it is no folder. Makes nothing yet.
  // `by_us`: an empty folder there was made by this program.
  OwnFolder(std::filesystem::path path, std::vector<std::string> names, bool by_us);

  // Makes the folder if it is not there.
  void Make();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Place(const std::string& name) const;

  // Keeps other processes from this folder while the returned file is open. kInvalidArgument if one
  // has it. The folder has been made.
  int Lock() const;
  // A file of it, made if it is not there, to read and to write to its end.
  int OpenToAppend(const std::string& name) const;
  // Replaces a file of it in one step.
  void Write(const std::string& name, std::string_view bytes);
  void Remove(const std::string& name);
  // Removes all its files, and the folder itself if this program made it; so also empty folders
  // above it that this object made.
  void RemoveAll();

 private:
  void CheckContent() const;
  // Those that this program made, if nothing is left in them.
  void RemoveFolders();
  bool IsKnown(const std::string& name) const;

  std::filesystem::path path_;
  std::vector<std::string> names_;
  bool ours_;
  std::vector<std::filesystem::path> made_above_;  // from the deepest up
};

// Removes a folder if nothing is in it.
void RemoveIfEmpty(const std::filesystem::path& folder);

}  // namespace uffizi

#endif  // UFFIZI_CORE_OWNED_FOLDERS_H_
