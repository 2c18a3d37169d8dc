#ifndef UFFIZI_TASKS_LABEL_STUDIO_H_
#define UFFIZI_TASKS_LABEL_STUDIO_H_

#include <string>
#include <string_view>

#include "core/json_writer.h"
#include "uffizi/types.h"

namespace uffizi {

// Items of a Label Studio prediction, each one line of JSON, about one result. `from` is the name
// of the control tag that shows the item, `to` that of the picture's tag.
class LabelStudioItems {
 public:
  explicit LabelStudioItems(const Result& result, std::string to = "image")
      : result_(result), to_(std::move(to)) {}

  std::string Text(const std::string& id, std::string_view from, std::string_view text) const;
  // A box around the region, with its label.
  std::string Box(const std::string& id, std::string_view from, const Region& region) const;
  std::string Polygon(const std::string& id, std::string_view from, const Region& region,
                      const uffizi::Polygon& polygon) const;
  // The items of a region with text, all with one id: its position, its label, and its words.
  std::string PlainBox(const std::string& id, std::string_view from, const Region& region) const;
  std::string Labels(const std::string& id, std::string_view from, const Region& region,
                     std::string_view label) const;
  std::string RegionText(const std::string& id, std::string_view from, const Region& region) const;

 private:
  JsonWriter Start(const std::string& id, std::string_view from, const char* type) const;
  JsonWriter StartBox(const std::string& id, std::string_view from, const char* type,
                      const Region& region) const;

  const Result& result_;
  const std::string to_;
};

}  // namespace uffizi

#endif  // UFFIZI_TASKS_LABEL_STUDIO_H_
