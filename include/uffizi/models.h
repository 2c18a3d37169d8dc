#ifndef UFFIZI_MODELS_H_
#define UFFIZI_MODELS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

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
UFFIZI_API void ImportModel(const std::filesystem::path& source, const std::filesystem::path& out,
                            const ImportOptions& options = {});

// How far a download is.
struct PullProgress {
  std::string file;              // that is under way
  uint64_t done = 0, total = 0;  // bytes of all files; total is 0 if the source does not tell
};
// Returning false stops the download; the next one goes on from there.
using PullCallback = std::function<bool(const PullProgress&)>;

// The Hugging Face folder behind whatever names a model: that folder itself; an artifact
// (IsImportable), which is imported into the cache; or a name, which is downloaded into the cache
// unless it is there: "microsoft/Florence-2-large", "OWNER/NAME@REVISION", or one of Spark NLP's
// such as "florence_2_large_int4". docs/models.md tells which environment variables matter.
// Processes may do this at the same time. Throws Error: kNotFound, kIo, kInvalidModel,
// kUnsupported, kCancelled.
UFFIZI_API std::filesystem::path ResolveModel(const std::filesystem::path& name_or_path,
                                              const PullCallback& progress = {});

}  // namespace uffizi

#endif  // UFFIZI_MODELS_H_
