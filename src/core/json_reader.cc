#include "core/json_reader.h"

#include <algorithm>

#include "core/mapped_file.h"
#include "uffizi/error.h"

namespace uffizi {

using nlohmann::json;

JsonExtent MeasureJson(std::string_view text) {
  JsonExtent extent;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') extent.depth = std::max(extent.depth, ++depth);
    if (c == ']' || c == '}') --depth;
    if (c == '[' || c == '{' || c == ',') ++extent.values;
  }
  return extent;
}

json ParseJson(std::string_view text) {
  constexpr int kMaxDepth = 100;
  if (MeasureJson(text).depth > kMaxDepth) return json(json::value_t::discarded);
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

JsonReader JsonReader::Open(const std::filesystem::path& path) {
  json parsed;
  try {
    parsed = ParseJson(ReadFile(path));
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidModel, error.what());
  }
  if (parsed.is_discarded()) {
    throw Error(ErrorCode::kInvalidModel, path.string() + ": not valid JSON, or nested too deep");
  }
  if (!parsed.is_object()) {
    throw Error(ErrorCode::kInvalidModel, path.string() + ": not a JSON object");
  }
  return JsonReader(path.string(), std::move(parsed));
}

void JsonReader::Fail(const std::string& key, const std::string& reason) const {
  throw Error(ErrorCode::kInvalidModel, name_ + ": " + key + ": " + reason);
}

bool JsonReader::Has(const std::string& key) const {
  const auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

const json& JsonReader::Get(const std::string& key) const {
  if (!Has(key)) Fail(key, "missing");
  return json_.at(key);
}

std::optional<JsonReader> JsonReader::Object(const std::string& key) const {
  if (!Has(key)) return std::nullopt;
  if (!json_.at(key).is_object()) Fail(key, "must be an object");
  return JsonReader(name_ + ": " + key, json_.at(key));
}

namespace {

// A JSON integer that fits an int, or nothing.
std::optional<int> ToInt(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int>::max())) {
    return std::nullopt;
  }
  const auto number = value.get<int64_t>();
  if (number < std::numeric_limits<int>::min() || number > std::numeric_limits<int>::max()) {
    return std::nullopt;
  }
  return static_cast<int>(number);
}

}  // namespace

int JsonReader::Int(const std::string& key, int low, int high) const {
  const std::optional<int> value = ToInt(Get(key));
  if (!value) Fail(key, "must be an integer");
  if (*value < low || *value > high) Fail(key, std::to_string(*value) + " is out of range");
  return *value;
}

int JsonReader::IntOr(const std::string& key, int fallback, int low, int high) const {
  return Has(key) ? Int(key, low, high) : fallback;
}

std::optional<int> JsonReader::OptionalInt(const std::string& key) const {
  if (!Has(key)) return std::nullopt;
  return Int(key);
}

double JsonReader::NumberOr(const std::string& key, double fallback) const {
  if (!Has(key)) return fallback;
  if (!json_.at(key).is_number()) Fail(key, "must be a number");
  return json_.at(key).get<double>();
}

bool JsonReader::BoolOr(const std::string& key, bool fallback) const {
  if (!Has(key)) return fallback;
  if (!json_.at(key).is_boolean()) Fail(key, "must be true or false");
  return json_.at(key).get<bool>();
}

std::string JsonReader::StringOr(const std::string& key, const std::string& fallback) const {
  if (!Has(key)) return fallback;
  if (!json_.at(key).is_string()) Fail(key, "must be a string");
  return json_.at(key).get<std::string>();
}

std::vector<int> JsonReader::Ints(const std::string& key, int low) const {
  if (!Get(key).is_array()) Fail(key, "must be a list of integers");
  std::vector<int> values;
  for (const json& item : Get(key)) {
    const std::optional<int> value = ToInt(item);
    if (!value) Fail(key, "must be a list of integers");
    if (*value < low) Fail(key, std::to_string(*value) + " is out of range");
    values.push_back(*value);
  }
  return values;
}

std::vector<double> JsonReader::Numbers(const std::string& key) const {
  if (!Get(key).is_array()) Fail(key, "must be a list of numbers");
  std::vector<double> values;
  for (const json& item : Get(key)) {
    if (!item.is_number()) Fail(key, "must be a list of numbers");
    values.push_back(item.get<double>());
  }
  return values;
}

std::vector<bool> JsonReader::Bools(const std::string& key) const {
  if (!Get(key).is_array()) Fail(key, "must be a list of true and false");
  std::vector<bool> values;
  for (const json& item : Get(key)) {
    if (!item.is_boolean()) Fail(key, "must be a list of true and false");
    values.push_back(item.get<bool>());
  }
  return values;
}

}  // namespace uffizi
