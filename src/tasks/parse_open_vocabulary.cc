#include "tasks/parsers.h"

namespace uffizi {

std::vector<Region> ParseOpenVocabulary(std::string_view raw, const AnswerText& answer,
                                        PictureSize size) {
  return raw.find("<poly>") != std::string_view::npos ? ParseLabelledPolygons(answer, size)
                                                      : ParseBoxes(answer, size);
}

}  // namespace uffizi
