#ifndef UFFIZI_HUB_PULL_H_
#define UFFIZI_HUB_PULL_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/sources.h"
#include "uffizi/models.h"

namespace uffizi {

struct KnownFile;

// Makes the model folder `out` from a downloaded archive.
using Unpack =
    std::function<void(const std::filesystem::path& archive, const std::filesystem::path& out)>;

// Returns the folder of a model in the cache, downloading it if necessary. `unpack` is called for a
// model that is an archive. Several processes may do this at the same time. Throws Error:
// kNotFound, kIo, kCancelled, and what `unpack` throws.
std::filesystem::path PullModel(const ModelName& name, const Unpack& unpack,
                                const PullCallback& progress);

// Reads all files of a model in the cache, ours or Hugging Face's own, and compares them with their
// checksums. Returns "FILE: reason" for each that does not match, and calls `seen` after each file.
// Throws Error(kNotFound) if the model is missing or its checksums are unknown.
std::vector<std::string> VerifyModel(const ModelName& name,
                                     const std::function<void(const KnownFile&)>& seen);

}  // namespace uffizi

#endif  // UFFIZI_HUB_PULL_H_
