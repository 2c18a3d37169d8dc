#ifndef UFFIZI_IMPORT_JAVA_STREAM_H_
#define UFFIZI_IMPORT_JAVA_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace uffizi {

struct JavaObject;

// The contents of an object stream, as far as Spark's tables need them. Nothing is executed: an
// object is only its class's name and its fields.
struct JavaValue {
  // Strings and objects are shared by all references to them.
  std::variant<std::monostate, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const JavaObject>>
      value;

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  const int64_t* integer() const { return std::get_if<int64_t>(&value); }
  const std::string* string() const;
  const JavaObject* object() const;
  // A boxed or plain integer, such as a java.lang.Integer.
  const int64_t* unboxed() const;
};

struct JavaObject {
  std::string class_name;
  std::vector<std::pair<std::string, JavaValue>> fields;  // of an object
  std::vector<JavaValue> elements;                        // of an array
  int height = 0;                                         // levels of objects below

  const JavaValue* Field(std::string_view name) const;
};

// Parses one serialized object (Java Object Serialization Specification, version 5) of plain
// serializable classes. Throws Error(kInvalidModel), whose message begins with `name`.
JavaValue ParseJavaStream(const std::string& name, std::span<const uint8_t> bytes);

// Calls visit(record) with the value of each record of a Hadoop sequence file of BytesWritable, as
// written by Spark's saveAsObjectFile: each is a serialized object. Throws Error(kInvalidModel) if
// the file is truncated or damaged, Error(kUnsupported) if it is compressed.
void ReadSequenceFile(const std::string& name, std::span<const uint8_t> bytes,
                      const std::function<void(std::span<const uint8_t>)>& visit);

}  // namespace uffizi

#endif  // UFFIZI_IMPORT_JAVA_STREAM_H_
