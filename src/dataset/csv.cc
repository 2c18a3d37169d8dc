#include "dataset/csv.h"

namespace uffizi::dataset {

bool ReadCsvRow(std::istream& in, char separator, std::vector<std::string>& fields) {
  fields.clear();
  if (in.peek() == std::istream::traits_type::eof()) return false;
  std::string field;
  bool quoted = false;
  for (char c; in.get(c);) {
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (in.peek() == '"') {
        field += static_cast<char>(in.get());
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty()) {
      quoted = true;
    } else if (c == separator) {
      fields.push_back(std::move(field));
      field.clear();
    } else if (c == '\n') {
      break;
    } else {
      field += c;
    }
  }
  if (!quoted && !field.empty() && field.back() == '\r') field.pop_back();
  fields.push_back(std::move(field));
  return true;
}

void AppendCsvField(std::string_view text, std::string& out) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace uffizi::dataset
