#ifndef UFFIZI_IMPORT_FOLDER_WRITER_H_
#define UFFIZI_IMPORT_FOLDER_WRITER_H_

#include <filesystem>
#include <nlohmann/json.hpp>

#include "import/imported_model.h"

namespace uffizi {

// The files of a model folder beside its weights; null where the artifact has none.
struct FolderFiles {
  nlohmann::json config;      // sizes in it give way to those found in the graphs
  nlohmann::json preprocess;  // preprocessor_config.json
  nlohmann::json generation;  // generation_config.json, over the released models' own
};

// Writes config.json, preprocessor_config.json, generation_config.json and model.safetensors into
// an existing folder. Matrices wider than 4 bits are quantized to `bits`; 0 leaves them as they
// are. Throws Error(kIo).
void WriteModelFolder(const ImportedModel& model, const FolderFiles& files, int bits,
                      const std::filesystem::path& folder);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_FOLDER_WRITER_H_
