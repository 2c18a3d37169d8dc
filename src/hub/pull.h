#ifndef UFFIZI_HUB_PULL_H_
#define UFFIZI_HUB_PULL_H_

#include <filesystem>
#include <functional>

#include "hub/sources.h"
#include "uffizi/models.h"

namespace uffizi {

// Makes the model folder `out` of a downloaded archive.
using Unpack =
    std::function<void(const std::filesystem::path& archive, const std::filesystem::path& out)>;

// The folder of a model in the cache, downloaded if it is not there; `unpack` is called for one
// that comes as an archive. Processes may do this at the same time. Throws Error: kNotFound, kIo,
// kCancelled, and what `unpack` throws.
std::filesystem::path PullModel(const ModelName& name, const Unpack& unpack,
                                const PullCallback& progress);

}  // namespace uffizi

#endif  // UFFIZI_HUB_PULL_H_
