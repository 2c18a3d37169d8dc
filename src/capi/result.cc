#include <limits>

#include "capi/guard.h"
#include "capi/handles.h"

namespace {

using uffizi::AnswerShape;
using uffizi::Region;
using uffizi::capi::Guard;
using uffizi::capi::Require;

bool Answered(const uffizi_result* result) {
  return result != nullptr && result->status == UFFIZI_OK;
}

const Region* RegionAt(const uffizi_result* result, size_t index) {
  if (!Answered(result)) return nullptr;
  const std::vector<Region>& regions = result->result.answer.regions;
  return index < regions.size() ? &regions[index] : nullptr;
}

}  // namespace

size_t uffizi_results_count(const uffizi_results* results) {
  return results == nullptr ? 0 : results->results.size();
}

const uffizi_result* uffizi_results_get(const uffizi_results* results, size_t index) {
  return index < uffizi_results_count(results) ? &results->results[index] : nullptr;
}

void uffizi_results_free(uffizi_results* results) { delete results; }

uffizi_status uffizi_result_status(const uffizi_result* result) {
  return result == nullptr ? UFFIZI_INVALID_ARGUMENT : result->status;
}

const char* uffizi_result_error(const uffizi_result* result) {
  return result == nullptr || result->status == UFFIZI_OK ? nullptr : result->error.c_str();
}

const char* uffizi_result_task(const uffizi_result* result) {
  return Answered(result) ? result->result.task.c_str() : nullptr;
}

const char* uffizi_result_prompt(const uffizi_result* result) {
  return Answered(result) ? result->result.prompt.c_str() : nullptr;
}

const char* uffizi_result_text(const uffizi_result* result) {
  return Answered(result) ? result->result.text.c_str() : nullptr;
}

const int* uffizi_result_token_ids(const uffizi_result* result, size_t* count) {
  const bool answered = Answered(result);
  if (count != nullptr) *count = answered ? result->result.token_ids.size() : 0;
  return answered ? result->result.token_ids.data() : nullptr;
}

int uffizi_result_truncated(const uffizi_result* result) {
  return Answered(result) && result->result.truncated ? 1 : 0;
}

const char* uffizi_result_json(const uffizi_result* result) {
  return Answered(result) ? result->json.c_str() : nullptr;
}

uffizi_timings uffizi_result_timings(const uffizi_result* result) {
  if (!Answered(result)) return {};
  const uffizi::Timings& timings = result->result.timings;
  return {timings.preprocess, timings.vision_encoder, timings.text_encoder,
          timings.decoder,    timings.parse,          timings.total};
}

uffizi_answer_shape uffizi_result_shape(const uffizi_result* result) {
  if (!Answered(result)) return UFFIZI_ANSWER_TEXT;
  switch (result->result.answer.shape) {
    case AnswerShape::kText:
      return UFFIZI_ANSWER_TEXT;
    case AnswerShape::kBoxes:
      return UFFIZI_ANSWER_BOXES;
    case AnswerShape::kQuads:
      return UFFIZI_ANSWER_QUADS;
    case AnswerShape::kPolygons:
      return UFFIZI_ANSWER_POLYGONS;
    case AnswerShape::kOpenVocabulary:
      return UFFIZI_ANSWER_OPEN_VOCABULARY;
  }
  return UFFIZI_ANSWER_TEXT;
}

const char* uffizi_result_answer_text(const uffizi_result* result) {
  return Answered(result) ? result->result.answer.text.c_str() : nullptr;
}

size_t uffizi_result_region_count(const uffizi_result* result) {
  return Answered(result) ? result->result.answer.regions.size() : 0;
}

uffizi_status uffizi_result_region(const uffizi_result* result, size_t index, uffizi_region* out) {
  return Guard([&] {
    Require(out, "out");
    const Region* region = RegionAt(result, index);
    if (region == nullptr) {
      throw uffizi::Error(uffizi::ErrorCode::kInvalidArgument,
                          "the result has no region " + std::to_string(index));
    }
    const AnswerShape shape = result->result.answer.shape;
    const bool has_box = shape == AnswerShape::kBoxes ||
                         (shape == AnswerShape::kOpenVocabulary && region->polygons.empty());
    static_assert(sizeof(uffizi::Box) == 4 * sizeof(float));
    *out = {.label = region->label.c_str(),
            .score = region->score.value_or(std::numeric_limits<float>::quiet_NaN()),
            .box = has_box ? &region->box.x1 : nullptr,
            .quad = region->quad.empty() ? nullptr : region->quad.data(),
            .polygon_count = region->polygons.size()};
  });
}

const float* uffizi_result_polygon(const uffizi_result* result, size_t region, size_t polygon,
                                   size_t* count) {
  const Region* found = RegionAt(result, region);
  const bool exists = found != nullptr && polygon < found->polygons.size();
  if (count != nullptr) *count = exists ? found->polygons[polygon].size() : 0;
  return exists ? found->polygons[polygon].data() : nullptr;
}
