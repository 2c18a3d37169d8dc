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

// Makes the model folder `out` of a downloaded archive.
using Unpack =
    std::function<void(const std::filesystem::path& archive, const std::filesystem::path& out)>;

// The folder of a model in the cache, downloaded if it is not there; `unpack` is called for one
// that comes as an archive. Processes may do this at the same time. Throws Error: kNotFound, kIo,
// kCancelled, and what `unpack` throws.
std::filesystem::path PullModel(const ModelName& name, const Unpack& unpack,
                                const PullCallback& progress);

// Reads all files of a model in the cache, ours or Hugging Face's own, and compares them with their
// checksums. Returns what is wrong, "FILE: reason", each with `seen` called. Throws
// Error(kNotFound) if the model is not there, or if nothing is known of what its files should be.
std::vector<std::string> VerifyModel(const ModelName& name,
                                     const std::function<void(const KnownFile&)>& seen);

}  // namespace uffizi

#endif  // UFFIZI_HUB_PULL_H_
