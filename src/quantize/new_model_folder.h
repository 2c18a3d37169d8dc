#ifndef UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_
#define UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_

#include <filesystem>
#include <string>

#include "core/owned_folders.h"

namespace uffizi {

// Throws Error(kInvalidArgument) if `to` exists and may not be replaced.
void CheckQuantizeTarget(const std::filesystem::path& to, bool overwrite);

// Copies all files of a model folder except its weights and config.json.
void CopyModelFiles(const std::filesystem::path& from, const std::filesystem::path& to);

// A model folder that is written under a temporary name and renamed when it is complete.
class NewModelFolder {
 public:
  explicit NewModelFolder(const std::filesystem::path& path);

  // Where it is written.
  std::filesystem::path part() const { return scratch_.path() / "model"; }
  // Creates a temporary folder, which is removed at the end.
  std::filesystem::path MakeScratch(const std::string& name) const;

  // If there is a model already, its files are replaced one by one, and other files in the folder
  // are kept. A card that is not our own is replaced only with `replace_card`.
  void Finish(bool replace_card = false) const;

 private:
  std::filesystem::path path_;
  ScratchFolder scratch_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_
