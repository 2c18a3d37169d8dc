#include "server/multipart.h"

#include <algorithm>
#include <utility>

#include "core/ascii.h"

namespace uffizi::server {
namespace {

constexpr size_t kMaxPartHead = 4096;  // bytes of a part's headers
constexpr size_t kMaxBoundary = 70;    // RFC 2046

// Removes the next `; name=value` from the front of a header's value. A quoted value may contain \"
// for a quote; any other backslash is literal, as in the Windows paths of old browsers.
std::optional<std::pair<std::string, std::string>> TakeParameter(std::string_view& rest) {
  rest = Trim(rest);
  if (rest.empty() || rest.front() != ';') return std::nullopt;
  rest = Trim(rest.substr(1));
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string name = ToLower(Trim(rest.substr(0, equals)));
  rest = Trim(rest.substr(equals + 1));
  std::string value;
  if (rest.empty() || rest.front() != '"') {
    const size_t end = std::min(rest.find(';'), rest.size());
    value = Trim(rest.substr(0, end));
    rest.remove_prefix(end);
    return std::pair(name, value);
  }
  size_t at = 1;
  while (at < rest.size() && rest[at] != '"') {
    if (rest[at] == '\\' && at + 1 < rest.size() && rest[at + 1] == '"') ++at;
    value += rest[at++];
  }
  if (at == rest.size()) return std::nullopt;  // no closing quote
  rest.remove_prefix(at + 1);
  return std::pair(name, value);
}

std::string BoundaryOf(std::string_view content_type) {
  std::string_view rest =
      content_type.substr(std::min(content_type.find(';'), content_type.size()));
  while (auto parameter = TakeParameter(rest)) {
    if (parameter->first == "boundary") return parameter->second;
  }
  return "";
}

// Reads the headers of a part, without the empty line that ends them.
std::optional<FormField> ReadHead(std::string_view head) {
  FormField field;
  bool named = false;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    if (ToLower(line.substr(0, colon)) != "content-disposition") continue;
    std::string_view value = Trim(line.substr(colon + 1));
    const size_t kind_end = std::min(value.find(';'), value.size());
    if (ToLower(Trim(value.substr(0, kind_end))) != "form-data") return std::nullopt;
    value.remove_prefix(kind_end);
    while (auto parameter = TakeParameter(value)) {
      if (parameter->first == "name") {
        field.name = parameter->second;
        named = true;
      } else if (parameter->first == "filename") {
        field.filename = parameter->second;
      }
    }
    if (!Trim(value).empty()) return std::nullopt;
  }
  if (!named) return std::nullopt;
  return field;
}

}  // namespace

std::optional<std::vector<FormField>> ParseMultipart(std::string_view content_type,
                                                     std::string_view body, size_t max_fields) {
  const std::string boundary = BoundaryOf(content_type);
  if (boundary.empty() || boundary.size() > kMaxBoundary) return std::nullopt;
  const std::string delimiter = "\r\n--" + boundary;
  std::string_view rest = body;
  // The first delimiter may be at the very beginning, without a preceding line break.
  if (rest.starts_with(std::string_view(delimiter).substr(2))) {
    rest.remove_prefix(delimiter.size() - 2);
  } else {
    const size_t first = rest.find(delimiter);
    if (first == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(first + delimiter.size());
  }
  std::vector<FormField> fields;
  while (!rest.starts_with("--")) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (!rest.starts_with("\r\n")) return std::nullopt;
    rest.remove_prefix(2);
    if (fields.size() == max_fields) return std::nullopt;
    const size_t head_end = rest.substr(0, kMaxPartHead).find("\r\n\r\n");
    if (head_end == std::string_view::npos) return std::nullopt;
    std::optional<FormField> field = ReadHead(rest.substr(0, head_end));
    if (!field) return std::nullopt;
    rest.remove_prefix(head_end + 2);  // an empty part's delimiter begins with this line break
    const size_t end = rest.find(delimiter);
    if (end == std::string_view::npos) return std::nullopt;
    field->data = end >= 2 ? rest.substr(2, end - 2) : std::string_view();
    rest.remove_prefix(end + delimiter.size());
    fields.push_back(*std::move(field));
  }
  return fields;
}

}  // namespace uffizi::server
