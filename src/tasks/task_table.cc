#include <algorithm>
#include <cstddef>
#include <string>

#include "uffizi/task.h"

namespace uffizi {
namespace {

constexpr std::string_view kRegionExample = "<loc_100><loc_200><loc_600><loc_800>";

// The prompts are the ones that the models were trained on.
constexpr TaskInfo kTasks[] = {
    {Task::kCaption, "<CAPTION>", "caption", TaskInput::kNone, AnswerShape::kText,
     "What does the image describe?", "a short caption", ""},
    {Task::kDetailedCaption, "<DETAILED_CAPTION>", "detailed_caption", TaskInput::kNone,
     AnswerShape::kText, "Describe in detail what is shown in the image.",
     "a caption of a few sentences", ""},
    {Task::kMoreDetailedCaption, "<MORE_DETAILED_CAPTION>", "more_detailed_caption",
     TaskInput::kNone, AnswerShape::kText, "Describe with a paragraph what is shown in the image.",
     "a paragraph", ""},
    {Task::kOcr, "<OCR>", "ocr", TaskInput::kNone, AnswerShape::kText,
     "What is the text in the image?", "the text in the picture", ""},
    {Task::kOcrWithRegion, "<OCR_WITH_REGION>", "ocr_with_region", TaskInput::kNone,
     AnswerShape::kQuads, "What is the text in the image, with regions?",
     "each piece of text and its location", ""},
    {Task::kObjectDetection, "<OD>", "od", TaskInput::kNone, AnswerShape::kBoxes,
     "Locate the objects with category name in the image.", "objects and their boxes", ""},
    {Task::kDenseRegionCaption, "<DENSE_REGION_CAPTION>", "dense_region_caption", TaskInput::kNone,
     AnswerShape::kBoxes, "Locate the objects in the image, with their descriptions.",
     "boxes with a phrase on each", ""},
    {Task::kRegionProposal, "<REGION_PROPOSAL>", "region_proposal", TaskInput::kNone,
     AnswerShape::kBoxes, "Locate the region proposals in the image.", "boxes without labels", ""},
    {Task::kPhraseGrounding, "<CAPTION_TO_PHRASE_GROUNDING>", "caption_to_phrase_grounding",
     TaskInput::kText, AnswerShape::kBoxes, "Locate the phrases in the caption: {input}",
     "a box for each object that a caption names", "a cat on a red sofa"},
    {Task::kReferringSegmentation, "<REFERRING_EXPRESSION_SEGMENTATION>",
     "referring_expression_segmentation", TaskInput::kText, AnswerShape::kPolygons,
     "Locate {input} in the image with mask", "the outline of what a phrase refers to",
     "the cat on the left"},
    {Task::kRegionToSegmentation, "<REGION_TO_SEGMENTATION>", "region_to_segmentation",
     TaskInput::kRegion, AnswerShape::kPolygons, "What is the polygon mask of region {input}",
     "the outline of the object in a box", kRegionExample},
    {Task::kOpenVocabularyDetection, "<OPEN_VOCABULARY_DETECTION>", "open_vocabulary_detection",
     TaskInput::kText, AnswerShape::kOpenVocabulary, "Locate {input} in the image.",
     "boxes for the named objects", "car <and> building"},
    {Task::kRegionToCategory, "<REGION_TO_CATEGORY>", "region_to_category", TaskInput::kRegion,
     AnswerShape::kText, "What is the region {input}?", "the category of the object in a box",
     kRegionExample},
    {Task::kRegionToDescription, "<REGION_TO_DESCRIPTION>", "region_to_description",
     TaskInput::kRegion, AnswerShape::kText, "What does the region {input} describe?",
     "a description of what is in a box", kRegionExample},
    {Task::kRegionToOcr, "<REGION_TO_OCR>", "region_to_ocr", TaskInput::kRegion, AnswerShape::kText,
     "What text is in the region {input}?", "the text in a box", kRegionExample},
};

constexpr TaskInfo kRawInfo = {Task::kRaw,
                               "",
                               "raw",
                               TaskInput::kText,
                               AnswerShape::kText,
                               "{input}",
                               "any prompt, sent to the model unchanged",
                               "What color is the car?"};

constexpr bool IsInEnumOrder() {
  for (size_t i = 0; i < std::size(kTasks); ++i) {
    if (kTasks[i].task != static_cast<Task>(i)) return false;
  }
  return std::size(kTasks) == static_cast<size_t>(Task::kRaw);
}
static_assert(IsInEnumOrder());

struct Alias {
  std::string_view name;
  Task task;
};
constexpr Alias kAliases[] = {{"grounding", Task::kPhraseGrounding},
                              {"segmentation", Task::kReferringSegmentation},
                              {"open_vocabulary", Task::kOpenVocabularyDetection}};

// A character as spelled in names: lower case, with underscores.
char Plain(char c) {
  return c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool SameName(std::string_view text, std::string_view name) {
  return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                    [](char a, char b) { return Plain(a) == b; });
}

}  // namespace

std::span<const TaskInfo> AllTasks() { return kTasks; }

const TaskInfo& GetTaskInfo(Task task) {
  const auto index = static_cast<size_t>(task);
  return index < std::size(kTasks) ? kTasks[index] : kRawInfo;
}

std::optional<Task> FindTask(std::string_view name) {
  if (name.size() > 2 && name.front() == '<' && name.back() == '>') {
    name = name.substr(1, name.size() - 2);
  }
  for (const TaskInfo& info : kTasks) {
    if (SameName(name, info.name)) return info.task;
  }
  for (const Alias& alias : kAliases) {
    if (SameName(name, alias.name)) return alias.task;
  }
  return std::nullopt;
}

}  // namespace uffizi
