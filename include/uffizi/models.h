#ifndef UFFIZI_MODELS_H_
#define UFFIZI_MODELS_H_

#include <filesystem>

#include "uffizi/error.h"
#include "uffizi/export.h"

namespace uffizi {

struct ImportOptions {
  // Of matrices that the artifact stores wider than 4 bits: 4, 8 or 16, or 0 for as they are.
  // Weights of 4 bits keep their exact values.
  int bits = 0;
};

// Whether a path is an artifact that ImportModel takes: a Spark NLP Florence-2 artifact (its zip or
// its folder), or a folder of the five OpenVINO IR models that it is made from.
UFFIZI_API bool IsImportable(const std::filesystem::path& source);

// Turns an artifact into a Hugging Face folder, `out`, which must not exist or be empty. Nothing is
// left behind if it fails. Throws Error: kNotFound, kInvalidModel naming file and layer if the
// artifact is damaged or not recognised, kIo if `out` cannot be written.
//
// Engine::Load takes such sources directly, too: it imports them into the cache first.
UFFIZI_API void ImportModel(const std::filesystem::path& source, const std::filesystem::path& out,
                            const ImportOptions& options = {});

}  // namespace uffizi

#endif  // UFFIZI_MODELS_H_
