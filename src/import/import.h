#ifndef UFFIZI_IMPORT_IMPORT_H_
#define UFFIZI_IMPORT_IMPORT_H_

#include <filesystem>

#include "uffizi/models.h"

namespace uffizi {

// The folder that the engine opens for `source`: itself if it is a Hugging Face folder, else the
// folder that the artifact was imported to, in the cache; imported now if need be. Throws as
// ImportModel does.
std::filesystem::path LocalModelFolder(const std::filesystem::path& source,
                                       const ImportOptions& options);

// An artifact as an engine takes it that runs graphs as they are, whatever weights they hold.
struct LocalGraphs {
  std::filesystem::path graphs;  // of image_embedding, text_embedding, encoder, decoder: .xml, .bin
  std::filesystem::path settings;  // tokenizer, preprocessor_config.json, generation_config.json,
                                   // and config.json if the artifact has one
};

// Unpacks what has to be unpacked into the cache. Throws as ImportModel does, and
// Error(kInvalidModel) if `source` is no artifact.
LocalGraphs OpenLocalGraphs(const std::filesystem::path& source);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IMPORT_H_
