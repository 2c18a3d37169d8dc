#ifndef UFFIZI_APPS_FIDELITY_REPORT_H_
#define UFFIZI_APPS_FIDELITY_REPORT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/fidelity.h"

namespace uffizi::cli {

// The tasks named on the command line; the defaults of FidelityOptions if there are none. Throws
// Error(kInvalidArgument).
FidelityOptions MakeFidelityOptions(const std::vector<std::string>& tasks);

// One line for each task, for next tokens, and for the loss, without line breaks.
std::vector<std::string> FidelityLines(const Fidelity& fidelity);

nlohmann::ordered_json FidelityJson(const Fidelity& fidelity);

// A task's figure in a table, such as "98.2": AP50 or edits per 100 characters; "-" if there is
// none.
std::string FidelityFigure(const TaskFidelity& task);

// The name of that figure: "AP50 of od", "edits of caption".
std::string FidelityTitle(const TaskFidelity& task);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_FIDELITY_REPORT_H_
