#include "fidelity_report.h"

#include <fmt/format.h>

#include <algorithm>

namespace uffizi::cli {
namespace {

double Share(size_t part, size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Describe(const QuestionFidelity& question) {
  if (question.has_regions()) {
    const std::string counts =
        fmt::format("{} regions in f32, {} found", question.truths, question.found);
    if (!question.ap50) return counts + ": nothing to compare with";
    return fmt::format("AP50 {:5.1f}   {}, {} of {} answers the same", 100 * *question.ap50, counts,
                       question.exact, question.answers);
  }
  if (!question.Loss()) return "no text in f32: nothing to compare with";
  return fmt::format("{:5.1f} edits for each 100 characters, {} of {} answers the same",
                     *question.Loss(), question.exact, question.answers);
}

}  // namespace

void AddFidelityOptions(CLI::App& command, QuestionOptions& options, const std::string& what) {
  AddTaskOptions(command, options,
                 what +
                     "; may be repeated (default: od, caption, ocr). Follow-ups are asked about "
                     "the f32 answers");
}

FidelityOptions MakeFidelityOptions(const CLI::App& command, const QuestionOptions& options) {
  FidelityOptions fidelity;
  const bool chosen = !options.tasks.empty() || !options.thens.empty() || !options.texts.empty();
  if (chosen) fidelity.questions = MakeQuestions(command, options);
  return fidelity;
}

std::vector<std::string> FidelityLines(const Fidelity& fidelity) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, const std::string& text) {
    lines.push_back(FidelityName(fidelity, name) + text);
  };
  for (const QuestionFidelity& question : fidelity.questions) {
    add(question.name, Describe(question));
  }
  add("next token", fmt::format("{:5.1f} % of {} the same, KL divergence {:.4f}",
                                100 * Share(fidelity.same_tokens, fidelity.tokens), fidelity.tokens,
                                fidelity.divergence));
  add("loss",
      fmt::format("{:5.1f} points: the largest of 100 - AP50 and of edits", fidelity.Loss()));
  return lines;
}

std::string FidelityName(const Fidelity& fidelity, const std::string& name) {
  size_t width = 20;
  for (const QuestionFidelity& question : fidelity.questions) {
    width = std::max(width, question.name.size());
  }
  return fmt::format("{:<{}}  ", name, width);
}

nlohmann::ordered_json FidelityJson(const Fidelity& fidelity) {
  nlohmann::ordered_json tasks = nlohmann::ordered_json::array();
  for (const QuestionFidelity& question : fidelity.questions) {
    nlohmann::ordered_json entry = {
        {"task", question.name}, {"answers", question.answers}, {"exact", question.exact}};
    if (question.has_regions()) {
      entry["boxes"] = question.truths;
      entry["boxes_found"] = question.found;
      entry["ap50"] =
          question.ap50 ? nlohmann::ordered_json(*question.ap50) : nlohmann::ordered_json();
    } else {
      entry["characters"] = question.characters;
      entry["edits"] = question.edits;
    }
    entry["loss"] =
        question.Loss() ? nlohmann::ordered_json(*question.Loss()) : nlohmann::ordered_json();
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

std::string FidelityFigure(const QuestionFidelity& question) {
  if (!question.Loss()) return "-";
  return fmt::format("{:.1f}", question.has_regions() ? 100 * *question.ap50 : *question.Loss());
}

std::string FidelityTitle(const QuestionFidelity& question) {
  return (question.has_regions() ? "AP50 of " : "edits of ") + question.name;
}

}  // namespace uffizi::cli
