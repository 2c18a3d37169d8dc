#ifndef UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_
#define UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_

#include <filesystem>
#include <string>

#include "core/owned_folders.h"

namespace uffizi {

// Throws Error(kInvalidArgument) if there is something at `to` that may not be replaced.
void CheckQuantizeTarget(const std::filesystem::path& to, bool overwrite);

// Copies all files of a model folder but its weights and config.json.
void CopyModelFiles(const std::filesystem::path& from, const std::filesystem::path& to);

// A model folder that is made under another name and takes its own when it is whole.
class NewModelFolder {
 public:
  explicit NewModelFolder(const std::filesystem::path& path);

  // Where it is made.
  std::filesystem::path part() const { return scratch_.path() / "model"; }
  // A folder to work in, which is gone in the end.
  std::filesystem::path MakeScratch(const std::string& name) const;

  // Over a model that is there, its files are replaced one by one, and all else in the folder
  // stays. A card that is not our own counts as the model's only with `replace_card`.
  void Finish(bool replace_card = false) const;

 private:
  std::filesystem::path path_;
  ScratchFolder scratch_;
};

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_NEW_MODEL_FOLDER_H_
