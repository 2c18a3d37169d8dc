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
  auto parsed = std::make_shared<json>();
  bool is_pointer = false;
  try {
    const std::string text = ReadFile(path);
    is_pointer = IsLfsPointer(text);
    *parsed = ParseJson(text);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidModel, error.what());
  }
  const json* value = parsed.get();
  JsonReader reader(path.string(), std::move(parsed), value);
  if (is_pointer) reader.Fail(kLfsAdvice);
  if (value->is_discarded()) reader.Fail("not valid JSON, or nested too deeply");
  if (!value->is_object()) reader.Fail("not a JSON object");
  return reader;
}

std::optional<JsonReader> JsonReader::OpenIfThere(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  return Open(path);
}

void JsonReader::Fail(const std::string& reason) const {
  throw Error(ErrorCode::kInvalidModel, place_ + ": " + reason);
}

void JsonReader::Fail(const std::string& key, const std::string& reason) const {
  Fail(key + ": " + reason);
}

void JsonReader::Unsupported(const std::string& reason) const {
  throw Error(ErrorCode::kUnsupported, place_ + ": " + reason);
}

std::optional<JsonReader> JsonReader::Find(const std::string& key) const {
  if (!value_->is_object()) Fail("must be an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return Below(place_ + ": " + key, *found);
}

bool JsonReader::Has(const std::string& key) const { return Find(key).has_value(); }

JsonReader JsonReader::At(const std::string& key) const {
  std::optional<JsonReader> found = Find(key);
  if (!found) Fail(key, "missing");
  return *std::move(found);
}

std::optional<JsonReader> JsonReader::Object(const std::string& key) const {
  std::optional<JsonReader> found = Find(key);
  if (found && !found->IsObject()) found->Fail("must be an object");
  return found;
}

std::vector<JsonReader> JsonReader::Items() const {
  if (!value_->is_array()) Fail("must be a list");
  std::vector<JsonReader> items;
  items.reserve(value_->size());
  for (const json& item : *value_) {
    items.push_back(Below(place_ + "[" + std::to_string(items.size()) + "]", item));
  }
  return items;
}

std::vector<std::pair<std::string, JsonReader>> JsonReader::Members() const {
  if (!value_->is_object()) Fail("must be an object");
  std::vector<std::pair<std::string, JsonReader>> members;
  members.reserve(value_->size());
  for (const auto& [key, value] : value_->items()) {
    constexpr size_t kShown = 60;  // bytes of a key in messages
    members.emplace_back(key, Below(place_ + ": " + key.substr(0, kShown), value));
  }
  return members;
}

int JsonReader::Int(int low, int high) const {
  if (!value_->is_number_integer()) Fail("must be an integer");
  // An unsigned number may exceed the range of int64_t.
  const bool fits = value_->is_number_unsigned()
                        ? value_->get<uint64_t>() <= std::numeric_limits<uint32_t>::max()
                        : true;
  const int64_t number = fits ? value_->get<int64_t>() : std::numeric_limits<int64_t>::max();
  if (number < low || number > high) Fail(value_->dump() + " is out of range");
  return static_cast<int>(number);
}

double JsonReader::Number() const {
  if (!value_->is_number()) Fail("must be a number");
  return value_->get<double>();
}

bool JsonReader::Bool() const {
  if (!value_->is_boolean()) Fail("must be true or false");
  return value_->get<bool>();
}

std::string JsonReader::String() const {
  if (!value_->is_string()) Fail("must be a string");
  return value_->get<std::string>();
}

int JsonReader::Int(const std::string& key, int low, int high) const {
  return At(key).Int(low, high);
}

int JsonReader::IntOr(const std::string& key, int fallback, int low, int high) const {
  const std::optional<JsonReader> found = Find(key);
  return found ? found->Int(low, high) : fallback;
}

double JsonReader::NumberOr(const std::string& key, double fallback) const {
  const std::optional<JsonReader> found = Find(key);
  return found ? found->Number() : fallback;
}

bool JsonReader::BoolOr(const std::string& key, bool fallback) const {
  const std::optional<JsonReader> found = Find(key);
  return found ? found->Bool() : fallback;
}

std::string JsonReader::StringOr(const std::string& key, const std::string& fallback) const {
  const std::optional<JsonReader> found = Find(key);
  return found ? found->String() : fallback;
}

std::vector<int> JsonReader::Ints(const std::string& key, int low) const {
  std::vector<int> values;
  for (const JsonReader& item : At(key).Items()) {
    values.push_back(item.Int(low, std::numeric_limits<int>::max()));
  }
  return values;
}

std::vector<double> JsonReader::Numbers(const std::string& key) const {
  std::vector<double> values;
  for (const JsonReader& item : At(key).Items()) values.push_back(item.Number());
  return values;
}

std::vector<bool> JsonReader::Bools(const std::string& key) const {
  std::vector<bool> values;
  for (const JsonReader& item : At(key).Items()) values.push_back(item.Bool());
  return values;
}

}  // namespace uffizi
