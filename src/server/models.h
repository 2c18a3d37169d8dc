#ifndef UFFIZI_SERVER_MODELS_H_
#define UFFIZI_SERVER_MODELS_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/annotate_request.h"
#include "server/batcher.h"
#include "server/metrics.h"
#include "uffizi/engine.h"

namespace uffizi::server {

// A model that is loaded, and the way of questions to it.
struct ServedModel {
  ServedModel(std::string called, std::shared_ptr<const Engine> engine, RequestLimits most,
              const BatcherOptions& options, Metrics& metrics);

  const std::string name;
  const EngineInfo info;
  const RequestLimits limits;  // with what a request costs that says nothing
  Batcher batcher;
};

// A model by the name that requests give it.
struct ModelSource {
  std::string name;
  std::function<std::shared_ptr<const Engine>()> load;
};

// The models of a server: loaded when they are first asked for, the first at once, and unloaded,
// the least recently used one first, when they take more memory than they may.
class Models {
 public:
  struct Options {
    RequestLimits limits;
    BatcherOptions batcher;
    bool any_name = false;  // where there is one model, every name is its own
    size_t max_bytes = 0;   // of all weights; 0: as many as there are
  };

  // Loads the first; throws what that throws.
  Models(std::vector<ModelSource> sources, const Options& options, Metrics& metrics);

  // The model of this name, which may have to be loaded; the first for "". What a request asks of
  // it must be asked while the pointer is held. Throws Problem(404).
  std::shared_ptr<ServedModel> Open(std::string_view name);
  // The name that answers give to the model that Open() would return. Throws Problem(404).
  const std::string& NameOf(std::string_view name) const;
  std::vector<std::string> names() const;
  // Of those that are loaded, the first of all included.
  std::vector<std::shared_ptr<ServedModel>> loaded() const;

  Scheduler::Load load() const;
  const RequestLimits& limits() const { return options_.limits; }
  const Options& options() const { return options_; }
  // Takes no more requests, and breaks off what is here.
  void Stop();

 private:
  struct Entry {
    ModelSource source;
    std::mutex loading;
    std::shared_ptr<ServedModel> model;  // null: not loaded
    uint64_t used = 0;                   // when, counted in calls of Open
  };

  Entry& Find(std::string_view name) const;
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
