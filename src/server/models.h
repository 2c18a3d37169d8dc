#ifndef UFFIZI_SERVER_MODELS_H_
#define UFFIZI_SERVER_MODELS_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/annotate_request.h"
#include "server/batcher.h"
#include "server/metrics.h"
#include "uffizi/engine.h"

namespace uffizi::server {

// A loaded model with its batcher.
struct ServedModel {
  ServedModel(std::string called, std::shared_ptr<const Engine> loaded, RequestLimits most,
              const BatcherOptions& options, Metrics& metrics);

  const std::string name;
  const std::shared_ptr<const Engine> engine;
  const EngineInfo info;
  const RequestLimits limits;  // with the cost of a request without search options
  Batcher batcher;
};

// A model and its name in requests.
struct ModelSource {
  std::string name;
  // `base` is the engine of the model that this one is made from, or null.
  std::function<std::shared_ptr<const Engine>(const Engine* base)> load;
  std::optional<size_t> base = std::nullopt;  // an earlier source
};

// The models of a server. The first is loaded at start, the others when they are first requested,
// each after its base, whose weights it shares. When they exceed the memory limit, the least
// recently used one is unloaded; a base counts as used when a model made from it is.
class Models {
 public:
  struct Options {
    RequestLimits limits;
    BatcherOptions batcher;
    bool any_name = false;  // a single model accepts every name
    size_t max_bytes = 0;   // of all weights; 0: no limit
  };

  // Loads the first model, and throws what that throws.
  Models(std::vector<ModelSource> sources, const Options& options, Metrics& metrics);

  // The model with this name, loaded if necessary; the first for "". The pointer must be held while
  // the model is in use. Throws Problem(404).
  std::shared_ptr<ServedModel> Open(std::string_view name);
  // The name, in answers, of the model that Open() would return. Throws Problem(404).
  const std::string& NameOf(std::string_view name) const;
  std::vector<std::string> names() const;
  // All loaded models, including the first.
  std::vector<std::shared_ptr<ServedModel>> loaded() const;

  Scheduler::Load load() const;
  const RequestLimits& limits() const { return options_.limits; }
  const Options& options() const { return options_; }
  // Accepts no more requests, and aborts existing ones.
  void Stop();

 private:
  struct Entry {
    ModelSource source;
    std::mutex loading;
    std::shared_ptr<ServedModel> model;  // null: not loaded
    uint64_t used = 0;                   // when, counted in calls of Open
  };

  Entry& Find(std::string_view name) const;
  std::shared_ptr<ServedModel> OpenEntry(Entry& entry);
  void MakeRoom(const Entry& wanted);

  const Options options_;
  Metrics& metrics_;
  std::vector<std::unique_ptr<Entry>> entries_;
  mutable std::mutex mutex_;  // of what entries hold
  uint64_t calls_ = 0;
  bool stopped_ = false;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_MODELS_H_
