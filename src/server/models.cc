#include "server/models.h"

#include <utility>

#include "server/problem.h"

namespace uffizi::server {
namespace {

// Sets the cost of a question that gives no search options.
RequestLimits WithUsualCost(RequestLimits limits, const Engine& engine) {
  const Query query = engine.MakeQuery({}, MakePrompt(Task::kCaption, "", 1, 1));
  limits.usual_beams = query.num_beams();
  limits.usual_tokens = query.max_length();
  limits.model_tokens = engine.info().max_positions;
  return limits;
}

// All models share the threads.
Models::Options WithSharedThreads(Models::Options options) {
  BatcherOptions& batcher = options.batcher;
  batcher.shared = SharedThreads::For(batcher.threads, batcher.workers);
  return options;
}

}  // namespace

ServedModel::ServedModel(std::string called, std::shared_ptr<const Engine> loaded,
                         RequestLimits most, const BatcherOptions& options, Metrics& metrics)
    : name(std::move(called)),
      engine(std::move(loaded)),
      info(engine->info()),
      limits(WithUsualCost(most, *engine)),
      batcher(engine, options, metrics) {}

Models::Models(std::vector<ModelSource> sources, const Options& options, Metrics& metrics)
    : options_(WithSharedThreads(options)), metrics_(metrics) {
  for (ModelSource& source : sources) {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->source = std::move(source);
  }
  Open("");
}

Models::Entry& Models::Find(std::string_view name) const {
  if (name.empty()) return *entries_.front();
  for (const auto& entry : entries_) {
    if (entry->source.name == name) return *entry;
  }
  if (options_.any_name && entries_.size() == 1) return *entries_.front();
  std::string known;
  for (const std::string& one : names()) known += (known.empty() ? "" : ", ") + one;
  throw Problem(
      404, "model_not_found",
      "no model is called \"" + std::string(name.substr(0, 80)) + "\"; this server has " + known);
}

const std::string& Models::NameOf(std::string_view name) const { return Find(name).source.name; }

std::vector<std::string> Models::names() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry->source.name);
  return names;
}

std::shared_ptr<ServedModel> Models::Open(std::string_view name) {
  Entry& entry = Find(name);
  const std::shared_ptr<ServedModel> model = OpenEntry(entry);
  MakeRoom(entry);
  return model;
}

std::shared_ptr<ServedModel> Models::OpenEntry(Entry& entry) {
  const std::lock_guard loading(entry.loading);
  {
    const std::lock_guard lock(mutex_);
    // A base is at least as recently used as all models made from it.
    entry.used = ++calls_;
    if (entry.source.base) entries_[*entry.source.base]->used = ++calls_;
    if (entry.model) return entry.model;
    if (stopped_) throw ShuttingDown();
  }
  std::shared_ptr<ServedModel> base;
  if (entry.source.base) base = OpenEntry(*entries_[*entry.source.base]);
  auto model = std::make_shared<ServedModel>(entry.source.name,
                                             entry.source.load(base ? base->engine.get() : nullptr),
                                             options_.limits, options_.batcher, metrics_);
  const std::lock_guard lock(mutex_);
  if (stopped_) throw ShuttingDown();
  entry.model = model;
  return model;
}

// Requests being answered keep their model until they are done.
void Models::MakeRoom(const Entry& wanted) {
  if (options_.max_bytes == 0) return;
  for (;;) {
    std::shared_ptr<ServedModel> unloaded;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    size_t bytes = 0;
    Entry* oldest = nullptr;
    for (const auto& entry : entries_) {
      if (!entry->model) continue;
      bytes += entry->model->info.resident_bytes - entry->model->info.shared_bytes;
      const bool needed =
          entry.get() == &wanted || (wanted.source.base && entry == entries_[*wanted.source.base]);
      if (!needed && (oldest == nullptr || entry->used < oldest->used)) oldest = entry.get();
    }
    if (bytes <= options_.max_bytes || oldest == nullptr) return;
    unloaded = std::move(oldest->model);
  }
}

std::vector<std::shared_ptr<ServedModel>> Models::loaded() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ServedModel>> loaded;
  for (const auto& entry : entries_) {
    if (entry->model) loaded.push_back(entry->model);
  }
  return loaded;
}

Scheduler::Load Models::load() const {
  Scheduler::Load sum;
  for (const auto& model : loaded()) {
    const Scheduler::Load one = model->batcher.load();
    sum.waiting += one.waiting;
    sum.answering += one.answering;
    sum.questions += one.questions;
    sum.steps += one.steps;
    sum.step_questions += one.step_questions;
    sum.step_rows += one.step_rows;
  }
  return sum;
}

void Models::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  for (const auto& model : loaded()) model->batcher.Stop();
}

}  // namespace uffizi::server
