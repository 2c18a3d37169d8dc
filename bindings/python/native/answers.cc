#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <tuple>

#include "native.h"
#include "uffizi/task.h"

namespace uffizi::python {
namespace {

using Corners = std::tuple<float, float, float, float>;

std::optional<Task> TaskOf(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  const auto task = FindTask(*name);
  if (!task) throw nb::value_error(("no task is called " + *name).c_str());
  return task;
}

void BindTypes(nb::module_& module) {
  nb::class_<Region>(module, "Region")
      .def(
          "__init__",
          [](Region* self, std::string label, std::optional<float> score, Corners box, Polygon quad,
             std::vector<Polygon> polygons) {
            const auto [x1, y1, x2, y2] = box;
            new (self) Region{
                std::move(label), {x1, y1, x2, y2}, std::move(quad), std::move(polygons), score};
          },
          nb::arg("label"), nb::arg("score").none(), nb::arg("box"), nb::arg("quad"),
          nb::arg("polygons"))
      .def_ro("label", &Region::label)
      .def_ro("score", &Region::score)
      .def_prop_ro("box",
                   [](const Region& region) {
                     return Corners(region.box.x1, region.box.y1, region.box.x2, region.box.y2);
                   })
      .def_ro("quad", &Region::quad)
      .def_ro("polygons", &Region::polygons);

  nb::class_<Answer>(module, "Answer")
      .def(
          "__init__",
          [](Answer* self, std::string_view shape, std::string text, std::vector<Region> regions) {
            const auto known = FromName<AnswerShape>(shape);
            if (!known) throw nb::value_error("no such shape of an answer");
            new (self) Answer{*known, std::move(text), std::move(regions)};
          },
          nb::arg("shape"), nb::arg("text"), nb::arg("regions"))
      .def_prop_ro("shape", [](const Answer& answer) { return Name(answer.shape); })
      .def_ro("text", &Answer::text)
      .def_ro("regions", &Answer::regions)
      .def("to_json", &AnswerToJson);

  nb::class_<Timings> timings(module, "Timings");
  ForEachField(kTimingFields, [&](const auto& field) { timings.def_ro(field.name, field.member); });

  nb::class_<Result>(module, "Result")
      .def_ro("task", &Result::task)
      .def_ro("prompt", &Result::prompt)
      .def_ro("text", &Result::text)
      .def_ro("token_ids", &Result::token_ids)
      .def_ro("token_logprobs", &Result::token_logprobs)
      .def_ro("answer", &Result::answer)
      .def_ro("truncated", &Result::truncated)
      .def_ro("width", &Result::width)
      .def_ro("height", &Result::height)
      .def_ro("timings", &Result::timings);
}

}  // namespace

void BindAnswers(nb::module_& module) {
  BindTypes(module);

  nb::class_<TaskInfo>(module, "TaskInfo")
      .def_ro("token", &TaskInfo::token)
      .def_ro("name", &TaskInfo::name)
      .def_prop_ro("input", [](const TaskInfo& task) { return Name(task.input); })
      .def_prop_ro("shape", [](const TaskInfo& task) { return Name(task.shape); })
      .def_ro("prompt", &TaskInfo::prompt)
      .def_ro("help", &TaskInfo::help)
      .def_ro("example", &TaskInfo::example);
  module.def("tasks", [] { return std::vector<TaskInfo>(AllTasks().begin(), AllTasks().end()); });
  module.def(
      "find_task",
      [](std::string_view name) -> std::optional<TaskInfo> {
        const auto task = FindTask(name);
        return task ? std::optional(GetTaskInfo(*task)) : std::nullopt;
      },
      nb::arg("name"));

  nb::class_<Prompt>(module, "Prompt").def_ro("text", &Prompt::text);
  module.def(
      "make_prompt",
      [](const std::optional<std::string>& task, std::string_view input, int width, int height,
         const std::optional<std::string>& answer_as) {
        const auto known = TaskOf(task);
        Prompt prompt =
            known ? MakePrompt(*known, input, width, height) : MakePrompt(input, width, height);
        prompt.answer_as = TaskOf(answer_as);
        return prompt;
      },
      nb::arg("task").none(), nb::arg("input"), nb::arg("width"), nb::arg("height"),
      nb::arg("answer_as").none() = nb::none(),
      "The sentence for a task and its input; without a task, `input` is read as a whole prompt, "
      "whose answer is read as one to `answer_as`.");
  module.def(
      "raw_prompt",
      [](std::string text) {
        return Prompt{Task::kRaw, std::move(text)};
      },
      nb::arg("text"), "A text given to the model as it is.");
  module.def(
      "parse_answer",
      [](const std::optional<std::string>& task, std::string_view text, int width, int height,
         const std::vector<float>& location_logprobs) {
        return ParseAnswer(TaskOf(task).value_or(Task::kRaw), text, width, height,
                           location_logprobs);
      },
      nb::arg("task").none(), nb::arg("text"), nb::arg("width"), nb::arg("height"),
      nb::arg("location_logprobs") = std::vector<float>());
}

}  // namespace uffizi::python
