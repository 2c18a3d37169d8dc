#ifndef UFFIZI_CORE_JSON_READER_H_
#define UFFIZI_CORE_JSON_READER_H_

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// How deep the lists and objects of a JSON text nest, and how many lists, objects and commas it
// has: known in one pass, before a parser spends stack and memory on it. Of other text it tells
// something.
struct JsonExtent {
  int depth = 0;
  size_t values = 0;
};
JsonExtent MeasureJson(std::string_view text);

// The value of a JSON text; discarded (is_discarded()) if it is not valid JSON in UTF-8, or nests
// over 100 lists and objects, which no file of ours does: copies and dumps go down by recursion.
nlohmann::json ParseJson(std::string_view text);

// A JSON object of a model folder, read with errors that name the file and the key.
class JsonReader {
 public:
  // Throws Error(kInvalidModel) if the file is missing, is not JSON, or is not an object.
  static JsonReader Open(const std::filesystem::path& path);

  bool Has(const std::string& key) const;  // present and not null
  std::optional<JsonReader> Object(const std::string& key) const;

  // Integers must be within [low, high].
  int Int(const std::string& key, int low = 0, int high = std::numeric_limits<int>::max()) const;
  int IntOr(const std::string& key, int fallback, int low = 0,
            int high = std::numeric_limits<int>::max()) const;
  std::optional<int> OptionalInt(const std::string& key) const;
  double NumberOr(const std::string& key, double fallback) const;
  bool BoolOr(const std::string& key, bool fallback) const;
  std::string StringOr(const std::string& key, const std::string& fallback) const;
  std::vector<int> Ints(const std::string& key, int low = 0) const;
  std::vector<double> Numbers(const std::string& key) const;
  std::vector<bool> Bools(const std::string& key) const;

  const nlohmann::json& value() const { return json_; }

  // Throws Error(kInvalidModel): "FILE: KEY: reason".
  [[noreturn]] void Fail(const std::string& key, const std::string& reason) const;

 private:
  JsonReader(std::string name, nlohmann::json json)
      : name_(std::move(name)), json_(std::move(json)) {}
  const nlohmann::json& Get(const std::string& key) const;

  std::string name_;  // the file, and the path of keys to this object
  nlohmann::json json_;
};

}  // namespace uffizi

#endif  // UFFIZI_CORE_JSON_READER_H_
