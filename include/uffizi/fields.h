#ifndef UFFIZI_FIELDS_H_
#define UFFIZI_FIELDS_H_

#include <limits>
#include <tuple>

// Members of structs as data. A struct that all interfaces expose has a list of its fields beside
// it (such as kGenerationFields in engine.h). The command line, JSON, the C interface and Python
// visit that list, so a new member takes one line there.
namespace uffizi {

template <typename Struct, typename Value>
struct Field {
  const char* name;  // in JSON and in every binding
  Value Struct::*member;
  const char* flag = "";                                  // on the command line, if it differs
  const char* help = "";                                  // one line
  double low = -std::numeric_limits<double>::infinity();  // inclusive bounds of a number
  double high = std::numeric_limits<double>::infinity();
};

template <typename Struct, typename Value, typename... Rest>
Field(const char*, Value Struct::*, Rest...) -> Field<Struct, Value>;

// Calls visit(field) for each field of such a list.
template <typename Fields, typename Visit>
constexpr void ForEachField(const Fields& fields, const Visit& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, fields);
}

}  // namespace uffizi

#endif  // UFFIZI_FIELDS_H_
