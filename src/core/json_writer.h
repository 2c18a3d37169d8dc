#ifndef UFFIZI_CORE_JSON_WRITER_H_
#define UFFIZI_CORE_JSON_WRITER_H_

#include <concepts>
#include <string>
#include <string_view>

namespace uffizi {

// Writes JSON in the order of the calls, on one line, with a space after each comma and colon:
//
//   JsonWriter json;
//   json.Object().Member("size", [&] { json.List().Value(640).Value(480).End(); }).End();
//
// gives {"size": [640, 480]}. The writer adds the commas. Invalid UTF-8 becomes U+FFFD.
class JsonWriter {
 public:
  JsonWriter& Object() { return Open('{'); }
  JsonWriter& List() { return Open('['); }
  JsonWriter& End();  // of the innermost object or list
  JsonWriter& Key(std::string_view key);

  JsonWriter& Value(std::string_view text);
  JsonWriter& Value(const char* text) { return Value(std::string_view(text)); }
  JsonWriter& Value(const std::string& text) { return Value(std::string_view(text)); }
  JsonWriter& Value(std::same_as<bool> auto truth) { return Raw(truth ? "true" : "false"); }
  JsonWriter& Value(std::integral auto number) requires(!std::same_as<decltype(number), bool>) {
    return Raw(std::to_string(number));
  }
  // The shortest decimal that reads back as the same float: 33.92, not 33.91999816894531. JSON has
  // no infinity and no NaN; they become null.
  JsonWriter& Value(float number);
  JsonWriter& Value(double number);
  JsonWriter& Seconds(double seconds);  // to the microsecond
  JsonWriter& Null() { return Raw("null"); }
  JsonWriter& Raw(std::string_view json);  // a value that is already JSON

  // Writes a key and its value. A callable writes the value itself.
  template <typename T>
  JsonWriter& Member(std::string_view key, const T& value) {
    Key(key);
    if constexpr (std::invocable<const T&>) {
      value();
      return *this;
    } else {
      return Value(value);
    }
  }

  // [value, value, ...]
  template <typename Range>
  JsonWriter& Values(const Range& range) {
    List();
    for (const auto& value : range) Value(value);
    return End();
  }

  const std::string& text() const { return out_; }
  // What was written; the writer is empty afterwards.
  std::string Take();

 private:
  JsonWriter& Open(char bracket);
  void Separate();

  std::string out_;
  std::string open_;   // the brackets that are open, as the characters that close them
  bool first_ = true;  // the innermost one is still empty, or a key was just written
};

// Functions that append pieces of JSON to `out`, for output that is not JSON as a whole.

// Appends a quoted and escaped string; invalid UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);

// See JsonWriter::Value.
void AppendJsonNumber(float number, std::string& out);

}  // namespace uffizi

#endif  // UFFIZI_CORE_JSON_WRITER_H_
