#include "tasks/answer_token.h"
#include "tasks/parsers.h"
#include "uffizi/task.h"

namespace uffizi {
namespace {

std::vector<Region> ParseRegions(Task task, AnswerShape shape, std::string_view raw,
                                 const AnswerText& answer, PictureSize size) {
  switch (shape) {
    case AnswerShape::kText:
      return {};
    case AnswerShape::kBoxes:
      if (task == Task::kRegionProposal) return ParseProposals(answer, size);
      if (task == Task::kPhraseGrounding) return ParseGrounding(answer, size);
      return ParseBoxes(answer, size);
    case AnswerShape::kQuads:
      return ParseQuads(answer, size);
    case AnswerShape::kPolygons:
      return ParseBarePolygons(answer, size);
    case AnswerShape::kOpenVocabulary:
      return ParseOpenVocabulary(raw, answer, size);
  }
  return {};
}

}  // namespace

Answer ParseAnswer(Task task, std::string_view text, int width, int height,
                   std::span<const float> location_logprobs) {
  std::vector<AnswerToken> tokens;
  for (const float logprob : location_logprobs) {
    tokens.push_back({AnswerToken::Kind::kLocation, logprob, std::nullopt});
  }
  return ParseAnswer(task, text, width, height, std::span<const AnswerToken>(tokens));
}

Answer ParseAnswer(Task task, std::string_view text, int width, int height,
                   std::span<const AnswerToken> tokens) {
  Answer answer;
  answer.shape = GetTaskInfo(task).shape;
  if (answer.shape == AnswerShape::kText) {
    answer.text = ParseText(text);
  } else {
    answer.regions = ParseRegions(task, answer.shape, text, AnswerText(text, tokens),
                                  PictureSize{width, height});
  }
  return answer;
}

}  // namespace uffizi
