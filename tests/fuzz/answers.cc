// An answer of the model, parsed as each task's, and the same text as a prompt.

#include <cmath>
#include <nlohmann/json.hpp>

#include "fuzz/harness.h"
#include "tasks/result_json.h"
#include "uffizi/task.h"

using namespace uffizi;

namespace {

bool AllFinite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::AsText(data, size);
  for (const TaskInfo& info : AllTasks()) {
    // No Guard: any text is an answer.
    const Answer answer = ParseAnswer(info.task, text, 640, 480);
    for (const Region& region : answer.regions) {
      const Box& box = region.box;
      fuzz::Require(AllFinite({box.x1, box.y1, box.x2, box.y2}), "a box that is not finite");
      fuzz::Require(AllFinite(region.quad), "a quad that is not finite");
      for (const Polygon& polygon : region.polygons) {
        fuzz::Require(AllFinite(polygon), "a polygon that is not finite");
      }
    }
    fuzz::Require(nlohmann::json::accept(AnswerToJson(answer)), "an answer that is not JSON");
    fuzz::Guard([&] { MakePrompt(info.task, text, 640, 480); });
  }
  fuzz::Guard([&] { MakePrompt(text, 640, 480); });
  const ParsedLine line = ParseAnswerLine(Task::kObjectDetection, text);
  const auto record = nlohmann::json::parse(line.json, nullptr, /*allow_exceptions=*/false);
  fuzz::Require(record.is_object(), "a record that is not JSON");
  if (line.failed) {
    fuzz::Require(record["error"]["code"] != "internal", "a record that blames ourselves");
  }
  return 0;
}
