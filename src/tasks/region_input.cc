#include "tasks/region_input.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "tasks/dequantize.h"
#include "tasks/strings.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

std::string Spell(const std::array<int, 4>& bins) {
  std::string region;
  for (const int bin : bins) region.append("<loc_").append(std::to_string(bin)).append(">");
  return region;
}

// Reads a number from the beginning of `rest` and removes it.
template <typename Number>
bool TakeNumber(std::string_view& rest, Number& number) {
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc()) return false;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return true;
}

bool TakeToken(std::string_view& rest, std::string_view token) {
  if (!rest.starts_with(token)) return false;
  rest.remove_prefix(token.size());
  return true;
}

std::optional<std::string> ReadLocations(std::string_view rest) {
  std::array<int, 4> bins;
  for (int& bin : bins) {
    rest = StripLeft(rest);
    if (!TakeToken(rest, "<loc_") || !TakeNumber(rest, bin) || !TakeToken(rest, ">"))
      return std::nullopt;
    if (bin < 0 || bin > 999) return std::nullopt;
  }
  if (!Strip(rest).empty()) return std::nullopt;
  return Spell(bins);
}

std::optional<std::string> ReadPixels(std::string_view rest, int width, int height) {
  std::array<double, 4> corners;
  for (size_t i = 0; i < corners.size(); ++i) {
    const size_t before = rest.size();
    rest = StripLeft(rest);
    if (i > 0) {
      if (TakeToken(rest, ",")) {
        rest = StripLeft(rest);
      } else if (rest.size() == before) {
        return std::nullopt;
      }
    }
    if (!TakeNumber(rest, corners[i]) || !std::isfinite(corners[i])) return std::nullopt;
  }
  if (!Strip(rest).empty()) return std::nullopt;
  // Other tools take fractions of the sides; as pixels these would all be in one corner.
  const bool shares = std::all_of(corners.begin(), corners.end(),
                                  [](double corner) { return corner >= 0 && corner <= 1; }) &&
                      std::any_of(corners.begin(), corners.end(),
                                  [](double corner) { return corner != std::floor(corner); });
  if (shares) {
    throw Error(
        ErrorCode::kInvalidPrompt,
        "a region is x1,y1,x2,y2 in pixels, but these values all lie between 0 and 1; multiply "
        "them by the picture's width and height");
  }
  const auto [x1, x2] = std::minmax(corners[0], corners[2]);
  const auto [y1, y2] = std::minmax(corners[1], corners[3]);
  return Spell({QuantizeCoordinate(x1, width), QuantizeCoordinate(y1, height),
                QuantizeCoordinate(x2, width), QuantizeCoordinate(y2, height)});
}

}  // namespace

std::optional<std::string> ReadRegion(std::string_view input, int width, int height) {
  if (auto region = ReadLocations(input)) return region;
  if (width <= 0 || height <= 0) return std::nullopt;
  return ReadPixels(input, width, height);
}

}  // namespace uffizi
