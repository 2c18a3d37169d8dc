#ifndef UFFIZI_SERVER_JSON_FIELDS_H_
#define UFFIZI_SERVER_JSON_FIELDS_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi::server {

// Parses a client's JSON. Throws Problem(400) if it is invalid, nested deeper than any request
// needs, or has so many values that they would take far more memory than the text.
nlohmann::json ParseClientJson(std::string_view text);

// Reads an object of a client's JSON: fields by name and type, with messages that name them.
// Refuses fields that were not read. Null counts as missing.
class JsonFields {
 public:
  // `name` is used in messages: "options". Throws Problem(400) if it is not an object.
  JsonFields(const nlohmann::json& json, std::string name);

  // The value of `key`, of any type; null if it is missing.
  const nlohmann::json& Any(const char* key);
  std::optional<std::string> String(const char* key);
  // The same, not copied: valid as long as the JSON.
  std::optional<std::string_view> Text(const char* key);
  std::optional<bool> Bool(const char* key);
  // Within [low, high].
  std::optional<int64_t> Integer(const char* key, int64_t low, int64_t high);
  std::optional<std::vector<int>> Integers(const char* key, int low, int high);
  std::optional<std::vector<std::string>> Strings(const char* key);
  std::optional<double> Number(const char* key, double low, double high);

  // Throws Problem(400) if there are fields that were not read.
  void ExpectNoMore() const;
  // "options.seed"
  std::string NameOf(const std::string& key) const;

 private:
  const nlohmann::json& json_;
  std::string name_;
  std::set<std::string> taken_;
};

// Throws Problem(400) with `message`: the request is not what the OpenAPI document allows.
[[noreturn]] void RefuseRequest(const std::string& message);
// Throws Problem(422) with `message`: each part is allowed, but not the combination.
[[noreturn]] void RefuseTogether(const std::string& message);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_JSON_FIELDS_H_
