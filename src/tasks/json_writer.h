#ifndef UFFIZI_TASKS_JSON_WRITER_H_
#define UFFIZI_TASKS_JSON_WRITER_H_

#include <string>
#include <string_view>

namespace uffizi {

// The few pieces that our JSON is made of, appended to `out`. Results are written by hand: their
// keys keep the order in which people read them, and their numbers stay short.

// Quoted and escaped; what is not UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);

// The shortest decimal that reads back as the same float: 33.92, not 33.91999816894531. JSON has no
// infinity and no NaN; they become null.
void AppendJsonNumber(float number, std::string& out);

// Seconds, to the microsecond.
void AppendJsonSeconds(double seconds, std::string& out);

void AppendJsonNumber(int number, std::string& out);

// [item, item, ...], each written by append(item, out).
template <typename Range, typename Append>
void AppendJsonList(const Range& range, std::string& out, const Append& append) {
  out += '[';
  bool first = true;
  for (const auto& item : range) {
    if (!first) out += ", ";
    first = false;
    append(item, out);
  }
  out += ']';
}

template <typename Range>
void AppendJsonNumbers(const Range& range, std::string& out) {
  AppendJsonList(range, out, [](auto number, std::string& to) { AppendJsonNumber(number, to); });
}

}  // namespace uffizi

#endif  // UFFIZI_TASKS_JSON_WRITER_H_
