#ifndef UFFIZI_TASK_H_
#define UFFIZI_TASK_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "uffizi/export.h"
#include "uffizi/types.h"

namespace uffizi {

enum class Task {
  kCaption,
  kDetailedCaption,
  kMoreDetailedCaption,
  kOcr,
  kOcrWithRegion,
  kObjectDetection,
  kDenseRegionCaption,
  kRegionProposal,
  kPhraseGrounding,
  kReferringSegmentation,
  kRegionToSegmentation,
  kOpenVocabularyDetection,
  kRegionToCategory,
  kRegionToDescription,
  kRegionToOcr,
  kRaw,  // any other text, given to the model as it is
};

// What a task takes beside the picture.
enum class TaskInput { kNone, kText, kRegion };

template <>
struct EnumNames<TaskInput> {
  static constexpr std::pair<TaskInput, const char*> kAll[] = {
      {TaskInput::kNone, "none"}, {TaskInput::kText, "text"}, {TaskInput::kRegion, "region"}};
};

struct TaskInfo {
  Task task;
  std::string_view token;  // "<OD>"; "" for kRaw
  std::string_view name;   // "od", as the command line takes it
  TaskInput input;
  AnswerShape shape;
  std::string_view prompt;   // the sentence given to the model; "{input}" stands for the input
  std::string_view help;     // one line for --help
  std::string_view example;  // of an input; "" if the task takes none
};

// All tasks that have a token, in the order of `Task`; kRaw is not among them.
UFFIZI_API std::span<const TaskInfo> AllTasks();
UFFIZI_API const TaskInfo& GetTaskInfo(Task task);

// "od", "OD" or "<OD>" to its task, a hyphen counting as an underscore; "grounding", "segmentation"
// and "open_vocabulary" name the task that takes a text. Nothing for any other text.
UFFIZI_API std::optional<Task> FindTask(std::string_view name);

// A prompt ready for the tokenizer.
struct Prompt {
  Task task = Task::kRaw;
  std::string text;
  // Of a raw prompt: the task whose answers have the shape of this one's. None: it is text.
  std::optional<Task> answer_as = std::nullopt;
};

// Which regions of an answer are wanted.
struct RegionFilter {
  float min_score = 0;              // those below are left out, and those whose score is unknown
  std::vector<std::string> labels;  // only these, in any case of letters; empty: all

  bool keeps_all() const { return min_score <= 0 && labels.empty(); }
};

// Takes the unwanted regions out.
UFFIZI_API void FilterRegions(const RegionFilter& filter, Answer& answer);

// The sentence for `task` with its input. A region task takes `<loc_x1><loc_y1><loc_x2><loc_y2>`,
// or four numbers "x1,y1,x2,y2" in pixels of a picture of `width` x `height`: any two opposite
// corners, clamped to the picture. Open-vocabulary detection takes one phrase, or several separated
// by " <and> " or by ';'. White space around the input is dropped, but for kRaw, which is taken as
// it is. Throws Error(kInvalidPrompt), whose message says how to write it, if input is missing,
// unexpected, not UTF-8, or not a region.
UFFIZI_API Prompt MakePrompt(Task task, std::string_view input, int width, int height);

// As the original processor reads one string: "<OD>" alone, "<CAPTION_TO_PHRASE_GROUNDING>a cat",
// or raw text. A task token that takes no input must be the whole string. Throws as the other one.
UFFIZI_API Prompt MakePrompt(std::string_view text_with_task_token, int width, int height);

// `text` is the raw answer with special tokens; `location_logprobs`, if not empty, holds the
// natural logarithm of the probability of each `<loc_N>` in the order in which they stand in
// `text`. Coordinates are floats in pixels: (bin + 0.5) * size / 1000. A region's score is 0
// without log-probabilities. Any text is an answer, if one without regions; only a wrong number of
// log-probabilities throws, Error(kInvalidArgument). Linear in the length of the text.
UFFIZI_API Answer ParseAnswer(Task task, std::string_view text, int width, int height,
                              std::span<const float> location_logprobs = {});

// The answer in Hugging Face's schema, as one line of JSON: a string, {"bboxes", "labels",
// "scores"}, {"quad_boxes", "labels", "scores"}, {"polygons", "labels", "scores"} or {"bboxes",
// "bboxes_labels", "bboxes_scores", "polygons", "polygons_labels", "polygons_scores"}. A score of 0
// says that none is known. Invalid UTF-8 is replaced by U+FFFD.
UFFIZI_API std::string AnswerToJson(const Answer& answer);

}  // namespace uffizi

#endif  // UFFIZI_TASK_H_
