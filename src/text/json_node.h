#ifndef UFFIZI_TEXT_JSON_NODE_H_
#define UFFIZI_TEXT_JSON_NODE_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace uffizi {

// A place inside a JSON document, whose errors name the file and the way to the place. A view: the
// document must outlive it. (A tokenizer.json nests lists and objects, and is too big to copy.)
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  // The member of this object; a null counts as missing. Throws if this is not an object.
  std::optional<JsonNode> Find(const std::string& key) const;
  JsonNode At(const std::string& key) const;  // throws if it is missing

  // The members of this list or object, in the file's order or by key.
  std::vector<JsonNode> Items() const;
  std::vector<std::pair<std::string, JsonNode>> Members() const;

  bool IsObject() const { return value_->is_object(); }
  bool IsText() const { return value_->is_string(); }
  std::string Text() const;
  int Id() const;  // an integer in [0, kMaxTokenId]
  bool Flag() const;
  double Number() const;
  bool FlagOr(const std::string& key, bool fallback) const;
  std::string TextOr(const std::string& key, const std::string& fallback) const;

  const nlohmann::json& value() const { return *value_; }
  [[noreturn]] void Fail(const std::string& reason) const;         // Error(kInvalidModel)
  [[noreturn]] void Unsupported(const std::string& reason) const;  // Error(kUnsupported)

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace uffizi

#endif  // UFFIZI_TEXT_JSON_NODE_H_
