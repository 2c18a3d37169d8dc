#ifndef UFFIZI_IMPORT_MODEL_FOLDER_H_
#define UFFIZI_IMPORT_MODEL_FOLDER_H_

#include <filesystem>
#include <nlohmann/json.hpp>

#include "import/imported_model.h"
#include "uffizi/models.h"

namespace uffizi {

// The files of a model folder except its weights; null if the artifact has none.
struct FolderFiles {
  nlohmann::json config;      // sizes found in the graphs override those in it
  nlohmann::json preprocess;  // preprocessor_config.json
  nlohmann::json generation;  // generation_config.json, which overrides the released models' own
};

// Writes preprocessor_config.json and generation_config.json into an existing folder. The picture's
// size is the traced one only if no file gives it. Throws Error(kIo).
void WriteSettings(const FolderFiles& files, int traced_width, int traced_height,
                   const std::filesystem::path& folder);

// Writes config.json and model.safetensors into an existing folder, tensor by tensor, and adds
// the outcome for each to `report`. Throws Error: kIo, kInvalidModel naming the graph's layer,
// kCancelled.
void WriteWeights(const ImportedModel& model, const nlohmann::json& own_config,
                  const ImportOptions& options, const std::filesystem::path& folder,
                  ImportReport& report);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_MODEL_FOLDER_H_
