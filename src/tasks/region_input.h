#ifndef UFFIZI_TASKS_REGION_INPUT_H_
#define UFFIZI_TASKS_REGION_INPUT_H_

#include <optional>
#include <string>
#include <string_view>

namespace uffizi {

// A region as a user writes it, as the model takes it: "<loc_x1><loc_y1><loc_x2><loc_y2>". Nothing
// if `input` is not a region.
//
// Four locations pass as they are, whatever their order; spaces between them go. Four numbers in
// pixels, separated by commas, spaces or both, may name any two opposite corners and may lie
// outside of the picture: they are ordered, and clamped to it. Pixels need width, height > 0.
std::optional<std::string> ReadRegion(std::string_view input, int width, int height);

}  // namespace uffizi

#endif  // UFFIZI_TASKS_REGION_INPUT_H_
