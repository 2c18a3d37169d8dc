#include "quantize/new_model_folder.h"

#include <algorithm>

#include "core/owned_files.h"
#include "quantize/model_card.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

// Whether a file belongs to a model and may be replaced with it; other files are kept.
bool IsModelFile(const fs::path& name) {
  static constexpr const char* kNames[] = {
      "config.json",       "model.safetensors",        "generation_config.json",
      "tokenizer.json",    "preprocessor_config.json", "processor_config.json",
      "vocab.json",        "tokenizer_config.json",    "merges.txt",
      "added_tokens.json", "special_tokens_map.json"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

}  // namespace

void CheckQuantizeTarget(const fs::path& to, bool overwrite) {
  const auto refuse = [&](const char* reason) {
    throw Error(ErrorCode::kInvalidArgument, to.string() + ": " + reason);
  };
  if (!IdentityOf(to)) return;
  if (!overwrite) refuse("exists; --force replaces the model in it");
  if (!fs::exists(to / "config.json")) refuse("is not a model folder and was kept");
}

void CopyModelFiles(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    const std::string extension = name.extension().string();
    const bool weights = extension == ".safetensors" || extension == ".bin" || extension == ".pt" ||
                         extension == ".pth" || name == "model.safetensors.index.json";
    if (!entry.is_regular_file() || weights || name == "config.json") continue;
    CopyNew(entry.path(), to / name);
  }
}

NewModelFolder::NewModelFolder(const fs::path& path)
    : path_(path.has_filename() ? path : path.parent_path()), scratch_(path_) {
  MakeFolders(part());
}

fs::path NewModelFolder::MakeScratch(const std::string& name) const {
  const fs::path folder = scratch_.path() / ("scratch-" + name);
  MakeFolders(folder);
  return folder;
}

void NewModelFolder::Finish(bool replace_card) const {
  if (!IdentityOf(path_) || fs::is_empty(path_)) return scratch_.MoveOut(part(), path_);
  const bool card = replace_card || IsOwnCard(path_ / kCardFile);
  scratch_.MoveOver(part(), path_, [&](const fs::path& name) {
    return IsModelFile(name) || (card && name == kCardFile);
  });
}

}  // namespace uffizi
