#include "fidelity_report.h"

#include <fmt/format.h>

#include "uffizi/error.h"

namespace uffizi::cli {
namespace {

std::string NameOf(const TaskFidelity& task) { return std::string(GetTaskInfo(task.task).name); }

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string TaskLine(const TaskFidelity& task) {
  const std::string name = fmt::format("{:<22}", NameOf(task));
  if (task.in_boxes()) {
    const std::string counts = fmt::format("{} boxes in f32, {} found", task.truths, task.found);
    if (!task.ap50) return name + counts + ": nothing to compare with";
    return fmt::format("{}AP50 {:5.1f}   {}, {} of {} answers the same", name, 100 * *task.ap50,
                       counts, task.exact, task.answers);
  }
  if (!task.Loss()) return name + "no text in f32: nothing to compare with";
  return fmt::format("{}{:5.1f} edits for each 100 characters, {} of {} answers the same", name,
                     *task.Loss(), task.exact, task.answers);
}

}  // namespace

FidelityOptions MakeFidelityOptions(const std::vector<std::string>& tasks) {
  FidelityOptions options;
  if (tasks.empty()) return options;
  options.tasks.clear();
  for (const std::string& name : tasks) {
    const auto task = FindTask(name);
    if (!task) {
      throw Error(ErrorCode::kInvalidArgument,
                  "no task is called " + name + "; `uffizi info` lists them");
    }
    options.tasks.push_back(*task);
  }
  CheckFidelityTasks(options.tasks);
  return options;
}

std::vector<std::string> FidelityLines(const Fidelity& fidelity) {
  std::vector<std::string> lines;
  for (const TaskFidelity& task : fidelity.tasks) lines.push_back(TaskLine(task));
  lines.push_back(fmt::format("{:<22}{:5.1f} % of {} the same, KL divergence {:.4f}", "next token",
                              100 * Share(fidelity.same_tokens, fidelity.tokens), fidelity.tokens,
                              fidelity.divergence));
  lines.push_back(fmt::format("{:<22}{:5.1f} points: the largest of 100 - AP50 and of edits",
                              "loss", fidelity.Loss()));
  return lines;
}

nlohmann::ordered_json FidelityJson(const Fidelity& fidelity) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const TaskFidelity& task : fidelity.tasks) {
    nlohmann::ordered_json entry = {
        {"task", NameOf(task)}, {"answers", task.answers}, {"exact", task.exact}};
    if (task.in_boxes()) {
      entry["boxes"] = task.truths;
      entry["boxes_found"] = task.found;
      entry["ap50"] = task.ap50 ? nlohmann::ordered_json(*task.ap50) : nlohmann::ordered_json();
    } else {
      entry["characters"] = task.characters;
      entry["edits"] = task.edits;
    }
    entry["loss"] = task.Loss() ? nlohmann::ordered_json(*task.Loss()) : nlohmann::ordered_json();
    tasks.push_back(std::move(entry));
  }
  return {{"pictures", fidelity.pictures},
          {"loss", fidelity.Loss()},
          {"tasks", tasks},
          {"next_token",
           {{"tokens", fidelity.tokens},
            {"same", fidelity.same_tokens},
            {"agreement", Share(fidelity.same_tokens, fidelity.tokens)},
            {"kl_divergence", fidelity.divergence}}},
          {"seconds_per_picture", fidelity.seconds}};
}

std::string FidelityFigure(const TaskFidelity& task) {
  if (!task.Loss()) return "-";
  return fmt::format("{:.1f}", task.in_boxes() ? 100 * *task.ap50 : *task.Loss());
}

std::string FidelityTitle(const TaskFidelity& task) {
  return (task.in_boxes() ? "AP50 of " : "edits of ") + NameOf(task);
}

}  // namespace uffizi::cli
