#include "text/json_node.h"

#include "text/tokenizer_spec.h"
#include "uffizi/error.h"

namespace uffizi {

std::optional<JsonNode> JsonNode::Find(const std::string& key) const {
  if (!value_->is_object()) Fail("must be an object");
  const auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonNode(*found, where_ + ": " + key);
}

JsonNode JsonNode::At(const std::string& key) const {
  std::optional<JsonNode> found = Find(key);
  if (!found) Fail(key + " is missing");
  return *std::move(found);
}

std::vector<JsonNode> JsonNode::Items() const {
  if (!value_->is_array()) Fail("must be a list");
  std::vector<JsonNode> items;
  items.reserve(value_->size());
  for (size_t i = 0; i < value_->size(); ++i) {
    items.emplace_back((*value_)[i], where_ + "[" + std::to_string(i) + "]");
  }
  return items;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::Members() const {
  if (!value_->is_object()) Fail("must be an object");
  std::vector<std::pair<std::string, JsonNode>> members;
  members.reserve(value_->size());
  for (const auto& [key, value] : value_->items()) {
    members.emplace_back(key, JsonNode(value, where_ + ": " + QuoteToken(key)));
  }
  return members;
}

std::string JsonNode::Text() const {
  if (!value_->is_string()) Fail("must be a string");
  return value_->get<std::string>();
}

int JsonNode::Id() const {
  if (!value_->is_number_integer()) Fail("must be an integer");
  if (value_->is_number_unsigned() && value_->get<uint64_t>() <= kMaxTokenId) {
    return value_->get<int>();
  }
  Fail("the id is out of range");
}

bool JsonNode::Flag() const {
  if (!value_->is_boolean()) Fail("must be true or false");
  return value_->get<bool>();
}

double JsonNode::Number() const {
  if (!value_->is_number()) Fail("must be a number");
  return value_->get<double>();
}

bool JsonNode::FlagOr(const std::string& key, bool fallback) const {
  const std::optional<JsonNode> found = Find(key);
  return found ? found->Flag() : fallback;
}

std::string JsonNode::TextOr(const std::string& key, const std::string& fallback) const {
  const std::optional<JsonNode> found = Find(key);
  return found ? found->Text() : fallback;
}

void JsonNode::Fail(const std::string& reason) const {
  throw Error(ErrorCode::kInvalidModel, where_ + ": " + reason);
}

void JsonNode::Unsupported(const std::string& reason) const {
  throw Error(ErrorCode::kUnsupported, where_ + ": " + reason);
}

}  // namespace uffizi
