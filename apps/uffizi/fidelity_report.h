#ifndef UFFIZI_APPS_FIDELITY_REPORT_H_
#define UFFIZI_APPS_FIDELITY_REPORT_H_

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/fidelity.h"
#include "question_options.h"

namespace uffizi::cli {

// Adds --task, --then and --text. `what` begins the help of --task.
void AddFidelityOptions(CLI::App& command, QuestionOptions& options, const std::string& what);

// The questions given on the command line; the defaults of FidelityOptions if there are none.
// Throws Error(kInvalidArgument, kInvalidPrompt).
FidelityOptions MakeFidelityOptions(const CLI::App& command, const QuestionOptions& options);

// One line for each question, for next tokens, and for the loss, without line breaks.
std::vector<std::string> FidelityLines(const Fidelity& fidelity);

// A name padded to the width of those in FidelityLines().
std::string FidelityName(const Fidelity& fidelity, const std::string& name);

nlohmann::ordered_json FidelityJson(const Fidelity& fidelity);

// A question's figure in a table, such as "98.2": AP50 or edits per 100 characters; "-" if there is
// none.
std::string FidelityFigure(const QuestionFidelity& question);

// The name of that figure: "AP50 of od", "edits of caption".
std::string FidelityTitle(const QuestionFidelity& question);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_FIDELITY_REPORT_H_
