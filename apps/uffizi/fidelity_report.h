#ifndef UFFIZI_APPS_FIDELITY_REPORT_H_
#define UFFIZI_APPS_FIDELITY_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/fidelity.h"

namespace uffizi::cli {

// Tasks by the names that the command line gives; those of FidelityOptions if it names none.
// Throws Error(kInvalidArgument).
FidelityOptions MakeFidelityOptions(const std::vector<std::string>& tasks);

// One line on each task, on next tokens, and on the loss, without the last end of line.
std::vector<std::string> FidelityLines(const Fidelity& fidelity);

nlohmann::ordered_json FidelityJson(const Fidelity& fidelity);

// "98.2", what is said of a task in a table: AP50 or edits for each 100 characters; "-" for
// nothing.
std::string FidelityFigure(const TaskFidelity& task);

// "AP50 of od", "edits of caption": what the figure is.
std::string FidelityTitle(const TaskFidelity& task);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_FIDELITY_REPORT_H_
