#ifndef UFFIZI_MODELS_H_
#define UFFIZI_MODELS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "uffizi/error.h"
#include "uffizi/export.h"

namespace uffizi {

// How far an import is.
struct ImportProgress {
  std::string tensor;            // that is under way
  uint64_t done = 0, total = 0;  // bytes of the artifact's graphs
};

struct ImportOptions {
  // Of linear layers that the artifact stores wider: 4 or 8, or 16 to leave everything as it is.
  // Weights of 4 bits always keep their codes, scales and zero points.
  int bits = 4;
  // Mean squares of what enters a layer, [columns], by its weight's transformers-native name:
  // columns count by them where a layer is quantized.
  std::map<std::string, std::vector<float>> importance;
  // Returning false stops the import.
  std::function<bool(const ImportProgress&)> progress;
};

// What an import found, and what it made of it.
struct ImportReport {
  struct Graph {
    std::string name;      // "image_embedding"
    std::string lineage;   // whose model code was traced: "Microsoft" or "transformers"
    std::string exporter;  // version of OpenVINO that wrote it, or empty
    std::map<std::string, uint64_t> precisions;  // bytes of weights, by type: {"f16": 1234}
  };
  struct Matrix {
    std::string name;  // transformers-native
    std::vector<int64_t> shape;
    std::string stored;  // its type in the artifact
    int bits;            // in the folder: 4, 8, 16 or 32
    bool exact;          // nothing was rounded
    double error;        // root mean square of what was lost, over that of the weights
  };
  std::vector<Graph> graphs;
  std::vector<Matrix> matrices;
  uint64_t bytes_before = 0, bytes_after = 0;  // of the graphs' and the folder's weights
};

// Whether a path is an artifact that ImportModel takes: a Spark NLP Florence-2 artifact (its zip or
// its folder), or a folder of the five OpenVINO IR models that it is made from.
UFFIZI_API bool IsImportable(const std::filesystem::path& source);

// Turns an artifact into a Hugging Face folder, `out`, which must not exist or be empty. Nothing is
// left behind if it fails. Throws Error: kNotFound, kInvalidModel naming file and layer if the
// artifact is damaged or not recognised, kIo if `out` cannot be written, kCancelled.
UFFIZI_API ImportReport ImportModel(const std::filesystem::path& source,
                                    const std::filesystem::path& out,
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
// `bits` is that of ImportOptions, for an artifact that is a path; what comes by a name of Spark
// NLP's is kept in 4 bits. Processes may do this at the same time. Throws Error: kNotFound, kIo,
// kInvalidModel, kUnsupported, kCancelled.
UFFIZI_API std::filesystem::path ResolveModel(const std::filesystem::path& name_or_path,
                                              const PullCallback& progress = {}, int bits = 4);

}  // namespace uffizi

#endif  // UFFIZI_MODELS_H_
