#ifndef UFFIZI_TASKS_REGION_INPUT_H_
#define UFFIZI_TASKS_REGION_INPUT_H_

#include <optional>
#include <string>
#include <string_view>

namespace uffizi {

// Converts a region as written by a user to the model's form, "<loc_x1><loc_y1><loc_x2><loc_y2>".
// Returns nothing if `input` is not a region.
//
// Four locations are kept in any order; spaces between them are removed. Four numbers in pixels,
// separated by commas, spaces or both, may name any two opposite corners and lie outside the
// picture: they are ordered and clamped to it. Pixels need width, height > 0.
std::optional<std::string> ReadRegion(std::string_view input, int width, int height);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_REGION_INPUT_H_
