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

// Progress of an import.
struct ImportProgress {
  std::string tensor;            // that is under way
  uint64_t done = 0, total = 0;  // in bytes of the artifact's graphs
};

struct ImportOptions {
  // Bits for linear layers that the artifact stores in more: 4 or 8, or 16 to round nothing. 4-bit
  // weights always keep their codes, scales and zero points.
  int bits = 4;
  // Mean squares of a layer's inputs, [columns], by its weight's transformers-native name. They
  // weight the columns' errors when a layer is quantized.
  std::map<std::string, std::vector<float>> importance;
  // Returning false stops the import.
  std::function<bool(const ImportProgress&)> progress;
};

// The contents of an artifact, and how they were converted.
struct ImportReport {
  struct Graph {
    std::string name;      // "image_embedding"
    std::string lineage;   // the model code that was traced: "Microsoft" or "transformers"
    std::string exporter;  // version of OpenVINO that wrote it, or empty
    std::map<std::string, uint64_t> precisions;  // bytes of weights, by type: {"f16": 1234}
    size_t kept = 0, rounded = 0;                // matrices
    double error = 0, worst = 0;  // of the rounded ones: root mean square, and the largest
  };
  struct Matrix {
    std::string name;   // transformers-native
    std::string graph;  // that it comes from
    std::vector<int64_t> shape;
    std::string stored;  // its type in the artifact
    int bits;            // in the folder: 4, 8, 16 or 32
    bool exact;          // nothing was rounded
    double error;        // root mean square of the rounding error divided by that of the weights
  };
  std::vector<Graph> graphs;
  std::vector<Matrix> matrices;
  uint64_t bytes_before = 0, bytes_after = 0;  // of the graphs' and the folder's weights
};

// Whether a path is an artifact that ImportModel() takes: a Spark NLP Florence-2 artifact (its zip
// or its folder), or a folder of the five OpenVINO IR models that it is made from.
UFFIZI_API bool IsImportable(const std::filesystem::path& source);

// Converts an artifact to a Hugging Face folder, `out`, which must not exist or be empty. Leaves
// nothing behind on failure. Throws Error: kNotFound, kInvalidModel naming file and layer if the
// artifact is damaged or not recognised, kIo if `out` cannot be written, kCancelled.
UFFIZI_API ImportReport ImportModel(const std::filesystem::path& source,
                                    const std::filesystem::path& out,
                                    const ImportOptions& options = {});

// Progress of a download.
struct PullProgress {
  std::string file;              // that is under way
  uint64_t done = 0, total = 0;  // in bytes of all files; total is 0 if unknown
};
// Returning false stops the download; the next attempt resumes it.
using PullCallback = std::function<bool(const PullProgress&)>;

// Returns the Hugging Face folder of a model. `source` is that folder itself; an artifact (see
// IsImportable()), which is imported into the cache; or a name, which is downloaded into the cache
// if necessary: "microsoft/Florence-2-large", "OWNER/NAME@REVISION", or one of Spark NLP's such as
// "florence_2_large_int4". docs/models.md lists the environment variables. `bits` is that of
// ImportOptions, for an artifact given as a path; models given by a Spark NLP name are stored in 4
// bits. Several processes may do this at the same time. Throws Error: kNotFound, kIo,
// kInvalidModel, kUnsupported, kCancelled.
UFFIZI_API std::filesystem::path ResolveModel(const std::filesystem::path& name_or_path,
                                              const PullCallback& progress = {}, int bits = 4);

}  // namespace uffizi

#endif  // UFFIZI_MODELS_H_
