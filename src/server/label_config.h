#ifndef UFFIZI_SERVER_LABEL_CONFIG_H_
#define UFFIZI_SERVER_LABEL_CONFIG_H_

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/questions.h"
#include "uffizi/types.h"

namespace uffizi::server {

// A control tag of a labelling configuration that the model can fill.
struct LabelControl {
  enum class Kind {
    kBoxes,     // RectangleLabels
    kPolygons,  // PolygonLabels
    kText,      // TextArea: a caption, or what task="..." names
    kReading,   // Rectangle, with Labels and TextArea perRegion: lines of text where they stand
  };
  Kind kind;
  std::string name;
  std::vector<std::string> labels;  // as the configuration spells them
  // In small letters, what the model may call them: the label itself, and its predicted_values.
  std::map<std::string, std::string> known_as;
  std::optional<Task> task;  // of task="..."
  float min_score = 0;       // of model_score_threshold="..."
  // Of kReading: the tags that take a line's label and its words; "" if there is none.
  std::string label_from, text_from;
};

// What a project's labelling configuration asks of a picture.
struct LabelConfig {
  std::string image;     // the name of its Image tag
  std::string data_key;  // where a task keeps the picture: "image" of value="$image"
  std::vector<LabelControl> controls;

  // Throws Problem if it is no XML, has no picture, or no control tag that the model can fill.
  static LabelConfig Parse(const std::string& xml);
};

// The questions of one control; of polygons one for each label.
std::vector<Question> QuestionsOf(const LabelControl& control);

// Adds the items of a prediction that one control makes of the answers to its questions.
struct LabelItems {
  std::vector<std::string> json;
  double score_sum = 0;
  size_t scored = 0;
};
void AddItems(const LabelConfig& config, const LabelControl& control,
              std::span<const Result> results, const std::string& id_start, LabelItems& items);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_LABEL_CONFIG_H_
