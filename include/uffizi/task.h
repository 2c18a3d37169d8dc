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
  kRaw,  // any other text, sent to the model unchanged
};

// The input that a task takes in addition to the picture.
enum class TaskInput { kNone, kText, kRegion };

template <>
struct EnumNames<TaskInput> {
  static constexpr std::pair<TaskInput, const char*> kAll[] = {
      {TaskInput::kNone, "none"}, {TaskInput::kText, "text"}, {TaskInput::kRegion, "region"}};
};

struct TaskInfo {
  Task task;
  std::string_view token;  // "<OD>"; "" for kRaw
  std::string_view name;   // "od", as on the command line
  TaskInput input;
  AnswerShape shape;
  std::string_view prompt;   // the sentence given to the model; "{input}" stands for the input
  std::string_view help;     // one line for --help
  std::string_view example;  // of an input; "" if the task takes none
};

// All tasks that have a token, in the order of `Task`; kRaw is not among them.
UFFIZI_API std::span<const TaskInfo> AllTasks();
UFFIZI_API const TaskInfo& GetTaskInfo(Task task);

// The task called "od", "OD" or "<OD>"; a hyphen counts as an underscore. "grounding",
// "segmentation" and "open_vocabulary" are short names of the tasks that take text. Returns nothing
// for any other text.
UFFIZI_API std::optional<Task> FindTask(std::string_view name);

// A prompt ready for the tokenizer.
struct Prompt {
  Task task = Task::kRaw;
  std::string text;
  // For a raw prompt: the task as whose answer to parse this one's. If empty, the answer is text.
  std::optional<Task> answer_as = std::nullopt;
};

// Which regions of an answer are wanted.
struct RegionFilter {
  // Regions with a lower or unknown score are dropped. If unset, none are, except objects found in
  // tiles (TileOptions in engine.h) with a score below 0.5.
  std::optional<float> min_score = std::nullopt;
  std::vector<std::string> labels;  // only these are kept, ignoring case; if empty, all
};

// Removes the unwanted regions.
UFFIZI_API void FilterRegions(const RegionFilter& filter, Answer& answer);

// Returns the sentence for `task` with its input. A region task takes
// `<loc_x1><loc_y1><loc_x2><loc_y2>`, or four numbers "x1,y1,x2,y2" in pixels of a picture of
// `width` x `height`: any two opposite corners, clamped to the picture. Open-vocabulary detection
// takes one phrase, or several separated by " <and> " or by ';'. White space around the input is
// removed, except for kRaw, which is used unchanged. Throws Error(kInvalidPrompt), whose message
// says how to write the input, if it is missing, unexpected, not UTF-8, or not a region.
UFFIZI_API Prompt MakePrompt(Task task, std::string_view input, int width, int height);

// Parses one string like the original processor: "<OD>" alone, "<CAPTION_TO_PHRASE_GROUNDING>a
// cat", or raw text. The token of a task that takes no input must be the whole string. Throws like
// the other overload.
UFFIZI_API Prompt MakePrompt(std::string_view text_with_task_token, int width, int height);

// `text` is the raw answer with special tokens. Coordinates are floats in pixels: (bin + 0.5) *
// size / 1000. Regions have no score, since the text does not contain the model's probabilities.
// With `location_logprobs`, the natural logarithms of the probabilities of each `<loc_N>` in the
// order of `text`, scores are those of Microsoft's processor: exp(mean of the region's). They are
// not comparable with other scores (see Region). Any text is a valid answer, possibly without
// regions; only a wrong number of log-probabilities throws Error(kInvalidArgument). Takes linear
// time in the length of the text.
UFFIZI_API Answer ParseAnswer(Task task, std::string_view text, int width, int height,
                              std::span<const float> location_logprobs = {});

// The answer in Hugging Face's schema, as one line of JSON: a string, {"bboxes", "labels",
// "scores"}, {"quad_boxes", "labels", "scores"}, {"polygons", "labels", "scores"} or {"bboxes",
// "bboxes_labels", "bboxes_scores", "polygons", "polygons_labels", "polygons_scores"}. An unknown
// score is null. Invalid UTF-8 is replaced by U+FFFD.
UFFIZI_API std::string AnswerToJson(const Answer& answer);

}  // namespace uffizi

#endif  // UFFIZI_TASK_H_
