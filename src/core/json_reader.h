#ifndef UFFIZI_CORE_JSON_READER_H_
#define UFFIZI_CORE_JSON_READER_H_

#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// The nesting depth of a JSON text, and how many lists, objects and commas it has. Computed in one
// pass, before a parser spends stack and memory on the text. Meaningless for text that is not JSON.
struct JsonExtent {
  int depth = 0;
  size_t values = 0;
};
JsonExtent MeasureJson(std::string_view text);

// Parses a JSON text. The value is discarded (is_discarded()) if the text is not valid JSON in
// UTF-8 or is nested more than 100 levels deep. The limit exists because copying and dumping
// recurse; no file of ours comes near it.
nlohmann::json ParseJson(std::string_view text);

// A value in the JSON of a model folder. Errors name the file and the path to the value. Copies are
// cheap: they share the document.
class JsonReader {
 public:
  // Throws Error(kInvalidModel) if the file is missing, is not JSON, or is not an object.
  static JsonReader Open(const std::filesystem::path& path);
  // Like Open(), but returns nothing if there is no such file.
  static std::optional<JsonReader> OpenIfThere(const std::filesystem::path& path);

  // Members of this object; a null member counts as missing. Integers must be within [low, high].
  // Throws if this is not an object or the member has another type.
  bool Has(const std::string& key) const;
  std::optional<JsonReader> Find(const std::string& key) const;    // of any type
  JsonReader At(const std::string& key) const;                     // throws if it is missing
  std::optional<JsonReader> Object(const std::string& key) const;  // that must be an object
  int Int(const std::string& key, int low = 0, int high = std::numeric_limits<int>::max()) const;
  int IntOr(const std::string& key, int fallback, int low = 0,
            int high = std::numeric_limits<int>::max()) const;
  double NumberOr(const std::string& key, double fallback) const;
  bool BoolOr(const std::string& key, bool fallback) const;
  std::string StringOr(const std::string& key, const std::string& fallback) const;
  std::vector<int> Ints(const std::string& key, int low = 0) const;
  std::vector<double> Numbers(const std::string& key) const;
  std::vector<bool> Bools(const std::string& key) const;
  std::vector<std::pair<std::string, JsonReader>> Members() const;

  // The items of this list.
  std::vector<JsonReader> Items() const;

  // This value itself.
  bool IsObject() const { return value_->is_object(); }
  bool IsString() const { return value_->is_string(); }
  int Int(int low, int high) const;
  double Number() const;
  bool Bool() const;
  std::string String() const;
  const nlohmann::json& value() const { return *value_; }

  // Throw Error(kInvalidModel): "FILE: PLACE: reason", or "FILE: PLACE: KEY: reason".
  [[noreturn]] void Fail(const std::string& reason) const;
  [[noreturn]] void Fail(const std::string& key, const std::string& reason) const;
  // Throws Error(kUnsupported) with such a message.
  [[noreturn]] void Unsupported(const std::string& reason) const;

 private:
  JsonReader(std::string place, std::shared_ptr<const nlohmann::json> document,
             const nlohmann::json* value)
      : place_(std::move(place)), document_(std::move(document)), value_(value) {}
  JsonReader Below(std::string place, const nlohmann::json& value) const {
    return JsonReader(std::move(place), document_, &value);
  }

  std::string place_;  // the file, and the path of keys to this value
  std::shared_ptr<const nlohmann::json> document_;
  const nlohmann::json* value_;  // in the document
};

}  // namespace uffizi

#endif  // UFFIZI_CORE_JSON_READER_H_
