#include <fmt/format.h>

#include <iostream>

#include "commands.h"
#include "tasks/result_json.h"
#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi::cli {
namespace {

int RunParse(const std::string& task_name) {
  const auto task = FindTask(task_name);
  if (!task) throw Error(ErrorCode::kInvalidArgument, "no task is called " + task_name);
  bool failed = false;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    const ParsedLine parsed = ParseAnswerLine(*task, line);
    failed |= parsed.failed;
    fmt::print("{}\n", parsed.json);
  }
  return failed ? kSomeFailed : kOk;
}

}  // namespace

Command AddParse(CLI::App& app) {
  auto task = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("parse", "Parse raw answers that were generated elsewhere, one a line");
  command->add_option("--task", *task, "The task that the answers belong to: od, <OD>, ...")
      ->required();
  command->footer(
      "Example:\n"
      "  echo '{\"size\": [640, 480], \"text\": \"cat<loc_10><loc_20><loc_500><loc_700>\"}' | "
      "uffizi parse --task od");
  return [task] { return RunParse(*task); };
}

}  // namespace uffizi::cli
