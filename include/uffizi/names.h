#ifndef UFFIZI_NAMES_H_
#define UFFIZI_NAMES_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace uffizi {

// The names of an enum's values in options, JSON and all bindings. Specialized beside each enum
// that has names: kAll contains {value, name} in the enum's order.
template <typename Enum>
struct EnumNames;

// "f32" for Compute::kF32; "" for a value that the enum does not have.
template <typename Enum>
constexpr const char* Name(Enum value) {
  for (const auto& [known, name] : EnumNames<Enum>::kAll) {
    if (known == value) return name;
  }
  return "";
}

// The value called `name`, or nothing for any other text.
template <typename Enum>
constexpr std::optional<Enum> FromName(std::string_view name) {
  for (const auto& [value, known] : EnumNames<Enum>::kAll) {
    if (name == known) return value;
  }
  return std::nullopt;
}

// "auto, f32 or int4", for messages and help.
template <typename Enum>
std::string AllNames() {
  std::string all;
  const auto& names = EnumNames<Enum>::kAll;
  const size_t count = std::size(names);
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) all += i + 1 < count ? ", " : " or ";
    all += names[i].second;
  }
  return all;
}

}  // namespace uffizi

#endif  // UFFIZI_NAMES_H_
