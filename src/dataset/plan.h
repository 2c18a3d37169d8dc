#ifndef UFFIZI_DATASET_PLAN_H_
#define UFFIZI_DATASET_PLAN_H_

#include <cstddef>
#include <optional>

#include "uffizi/engine.h"

namespace uffizi::dataset {

// How a job uses the machine. Processing several pictures at once, with one thread each, is
// fastest; a single picture gets all threads.
struct WorkPlan {
  int workers = 1;          // sessions that run at the same time
  int session_threads = 1;  // of each
};

// `threads` and `workers` are requested values, 0 for the default; `pictures` may be unknown.
WorkPlan PlanWork(std::optional<size_t> pictures, int threads, int workers);

// How many pictures' answers a worker generates together, 1 to 8: as many as keep the attention
// caches of all workers within a gigabyte.
size_t DefaultBatch(const EngineInfo& model, const GenerationOptions& generation, int workers);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PLAN_H_
