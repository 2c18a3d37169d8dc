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

// The folder with an artifact's four graphs that the network needs (image_embedding,
// text_embedding, encoder, decoder) as X.xml and X.bin: the artifact itself, or where they were
// unpacked to, in the cache. Throws as ImportModel does, and Error(kInvalidModel) if `source` is no
// artifact.
std::filesystem::path LocalGraphs(const std::filesystem::path& source);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_IMPORT_H_
