#include "server/json_fields.h"

#include <algorithm>
#include <cmath>

#include "core/json_reader.h"
#include "server/problem.h"

namespace uffizi::server {

using nlohmann::json;

void RefuseRequest(const std::string& message) { throw Problem(400, "invalid_request", message); }

void RefuseTogether(const std::string& message) { throw Problem(422, "invalid_request", message); }

namespace {

// A text of N bytes can contain N values that take many bytes each; no request needs more than a
// few hundred.
void CheckSize(std::string_view text) {
  constexpr int kMaxDepth = 16;
  constexpr size_t kMaxValues = 10'000;
  const JsonExtent extent = MeasureJson(text);
  if (extent.depth > kMaxDepth || extent.values > kMaxValues) {
    RefuseRequest("the JSON is nested too deep or has too many values");
  }
}

}  // namespace

json ParseClientJson(std::string_view text) {
  CheckSize(text);
  json parsed = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) RefuseRequest("the body is not valid JSON in UTF-8");
  return parsed;
}

JsonFields::JsonFields(const json& fields, std::string name)
    : json_(fields), name_(std::move(name)) {
  if (!json_.is_object()) {
    RefuseRequest((name_.empty() ? "the body" : name_) + " must be a JSON object");
  }
}

std::string JsonFields::NameOf(const std::string& key) const {
  return name_.empty() ? key : name_ + "." + key;
}

const json& JsonFields::Any(const char* key) {
  static const json null;
  taken_.insert(key);
  const auto found = json_.find(key);
  return found != json_.end() ? *found : null;
}

std::optional<std::string_view> JsonFields::Text(const char* key) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) RefuseRequest(NameOf(key) + " must be a string");
  return value.get_ref<const std::string&>();
}

std::optional<std::string> JsonFields::String(const char* key) {
  const auto text = Text(key);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<bool> JsonFields::Bool(const char* key) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_boolean()) RefuseRequest(NameOf(key) + " must be true or false");
  return value.get<bool>();
}

std::optional<int64_t> JsonFields::Integer(const char* key, int64_t low, int64_t high) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  std::optional<int64_t> integer;
  if (value.is_number_unsigned()) {
    // May exceed int64.
    if (value.get<uint64_t>() <= static_cast<uint64_t>(std::max<int64_t>(high, 0))) {
      integer = value.get<int64_t>();
    }
  } else if (value.is_number_integer()) {
    integer = value.get<int64_t>();
  } else if (value.is_number_float()) {  // 3.0 is an integer in JSON Schema, too
    const double number = value.get<double>();
    if (std::floor(number) == number && std::abs(number) < 0x1p53) {
      integer = static_cast<int64_t>(number);
    }
  }
  if (!integer || *integer < low || *integer > high) {
    RefuseRequest(NameOf(key) + " must be an integer from " + std::to_string(low) + " to " +
                  std::to_string(high));
  }
  return integer;
}

std::optional<std::vector<int>> JsonFields::Integers(const char* key, int low, int high) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  const auto refuse = [&] {
    RefuseRequest(NameOf(key) + " must be a list of at most 1000 whole numbers from " +
                  std::to_string(low) + " to " + std::to_string(high));
  };
  constexpr size_t kMost = 1000;
  if (!value.is_array() || value.size() > kMost) refuse();
  std::vector<int> numbers;
  for (const json& item : value) {
    if (!item.is_number_integer()) refuse();
    const double number = item.get<double>();
    if (number < low || number > high) refuse();
    numbers.push_back(item.get<int>());
  }
  return numbers;
}

std::optional<std::vector<std::string>> JsonFields::Strings(const char* key) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_array() ||
      !std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_string(); })) {
    RefuseRequest(NameOf(key) + " must be a list of strings");
  }
  return value.get<std::vector<std::string>>();
}

std::optional<double> JsonFields::Number(const char* key, double low, double high) {
  const json& value = Any(key);
  if (value.is_null()) return std::nullopt;
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= low && number <= high)) {
    RefuseRequest(NameOf(key) + " must be a number from " + json(low).dump() + " to " +
                  json(high).dump());
  }
  return number;
}

void JsonFields::ExpectNoMore() const {
  for (const auto& [key, value] : json_.items()) {
    if (taken_.contains(key)) continue;
    std::string known;
    for (const std::string& name : taken_) known += (known.empty() ? "" : ", ") + name;
    RefuseRequest("no field is called " + NameOf(key.substr(0, 80)) + "; there are " + known);
  }
}

}  // namespace uffizi::server
