#ifndef UFFIZI_IMPORT_IMPORT_H_
#define UFFIZI_IMPORT_IMPORT_H_

#include <filesystem>

#include "uffizi/models.h"

namespace uffizi {

// The folder that the engine opens for `source`: `source` itself if it is a Hugging Face folder,
// else the folder in the cache to which the artifact is imported, if it has not been yet. Throws
// like ImportModel().
std::filesystem::path LocalModelFolder(const std::filesystem::path& source,
                                       const ImportOptions& options);

// An artifact for an engine that runs graphs unchanged, with any type of weights.
struct LocalGraphs {
  std::filesystem::path graphs;  // of image_embedding, text_embedding, encoder, decoder: .xml, .bin
  std::filesystem::path settings;  // tokenizer, preprocessor_config.json, generation_config.json,
                                   // and config.json if the artifact has one
};

// Unpacks the graphs into the cache if necessary. Throws like ImportModel(), and
// Error(kInvalidModel) if `source` is not an artifact.
LocalGraphs OpenLocalGraphs(const std::filesystem::path& source);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IMPORT_H_
