#include "import/java_stream.h"

#include <algorithm>
#include <bit>

#include "import/byte_reader.h"

namespace uffizi {
namespace {

constexpr int kMaxDepth = 64;            // nesting of objects
constexpr size_t kMaxObjects = 1 << 20;  // of one stream
constexpr uint32_t kFirstHandle = 0x7e0000;

// Tags and flags of the specification's grammar.
enum Tag : uint8_t {
  kNull = 0x70,
  kReference = 0x71,
  kClassDesc = 0x72,
  kObject = 0x73,
  kString = 0x74,
  kArray = 0x75,
  kBlockData = 0x77,
  kEndBlockData = 0x78,
  kLongString = 0x7c,
};
constexpr uint8_t kWriteMethod = 0x01, kSerializable = 0x02;

struct JavaClass {
  std::string name;
  uint8_t flags = 0;
  std::vector<std::pair<char, std::string>> fields;  // type code and name
  std::shared_ptr<const JavaClass> super;
};

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class JavaStream {
 public:
  JavaStream(const std::string& name, std::span<const uint8_t> bytes) : in_(name, bytes) {}

  JavaValue Parse() {
    if (in_.Unsigned(4) != 0xaced0005) in_.Fail("is not a Java object stream of version 5");
    JavaValue value = ParseContent(0);
    if (!in_.AtEnd()) in_.Fail("has more than one object");
    return value;
  }

 private:
  using ClassPointer = std::shared_ptr<const JavaClass>;
  using Handle = std::variant<JavaValue, ClassPointer>;

  size_t NewHandle() {
    if (handles_.size() == kMaxObjects) in_.Fail("has too many objects");
    handles_.emplace_back();
    return handles_.size() - 1;
  }

  const Handle& Reference() {
    const uint64_t handle = in_.Unsigned(4) - kFirstHandle;
    if (handle >= handles_.size()) in_.Fail("refers to an object that is not there");
    return handles_[handle];
  }

  // Java's modified UTF-8: NUL in two bytes, and surrogates in three bytes each.
  std::string Utf(size_t length) {
    const std::span<const uint8_t> bytes = in_.Take(length);
    std::string text;
    uint32_t high = 0;
    for (size_t i = 0; i < bytes.size();) {
      const uint8_t first = bytes[i];
      const size_t size = first < 0x80 ? 1 : (first & 0xe0) == 0xc0 ? 2 : 3;
      if ((first & 0xc0) == 0x80 || first >= 0xf0 || size > bytes.size() - i) {
        in_.Fail("has a string that is not UTF-8");
      }
      uint32_t code = size == 1 ? first : first & (size == 2 ? 0x1fu : 0x0fu);
      for (size_t k = 1; k < size; ++k) {
        if ((bytes[i + k] & 0xc0) != 0x80) in_.Fail("has a string that is not UTF-8");
        code = code << 6 | (bytes[i + k] & 0x3fu);
      }
      i += size;
      const bool low = code >= 0xdc00 && code < 0xe000;
      if (low != (high != 0)) in_.Fail("has a string with half a character");
      if (code >= 0xd800 && code < 0xdc00) {
        high = code;
        continue;
      }
      if (low) code = 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00);
      high = 0;
      AppendUtf8(text, code);
    }
    if (high != 0) in_.Fail("has a string with half a character");
    return text;
  }

  ClassPointer ParseClass(int depth) {
    if (depth > kMaxDepth) in_.Fail("is nested too deep");
    const uint8_t tag = in_.Byte();
    if (tag == kNull) return nullptr;
    if (tag == kReference) {
      const auto* known = std::get_if<ClassPointer>(&Reference());
      if (known == nullptr || *known == nullptr) {
        in_.Fail("refers to something that is not a class");
      }
      return *known;
    }
    if (tag != kClassDesc) in_.Fail("has no class where one is expected");
    auto made = std::make_shared<JavaClass>();
    made->name = Utf(in_.Unsigned(2));
    in_.Take(8);  // serialVersionUID
    const size_t handle = NewHandle();
    made->flags = in_.Byte();
    const uint64_t count = in_.Unsigned(2);
    for (uint64_t i = 0; i < count; ++i) {
      const char code = static_cast<char>(in_.Byte());
      made->fields.emplace_back(code, Utf(in_.Unsigned(2)));
      if (code == 'L' || code == '[') ParseContent(depth + 1);  // the field's class, as a string
    }
    SkipAnnotation(depth);
    made->super = ParseClass(depth + 1);
    handles_[handle] = ClassPointer(made);
    return made;
  }

  void SkipAnnotation(int depth) {
    while (true) {
      const uint8_t tag = in_.Byte();
      if (tag == kEndBlockData) return;
      if (tag == kBlockData) {
        in_.Take(in_.Byte());
      } else {
        ParseTagged(tag, depth + 1);
      }
    }
  }

  JavaValue ParseField(char code, int depth) {
    switch (code) {
      case 'B':
        return {static_cast<int64_t>(static_cast<int8_t>(in_.Byte()))};
      case 'Z':
        return {static_cast<int64_t>(in_.Byte())};
      case 'S':
        return {static_cast<int64_t>(static_cast<int16_t>(in_.Unsigned(2)))};
      case 'C':
        return {static_cast<int64_t>(in_.Unsigned(2))};
      case 'I':
        return {static_cast<int64_t>(in_.Int())};
      case 'J':
        return {static_cast<int64_t>(in_.Unsigned(8))};
      case 'F':
        return {static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(in_.Unsigned(4))))};
      case 'D':
        return {std::bit_cast<double>(in_.Unsigned(8))};
      case 'L':
      case '[':
        return ParseContent(depth + 1);
      default:
        in_.Fail("has a field of an unknown type");
    }
  }

  // References can chain objects deeper than the text is nested, and destroying them takes stack.
  void Raise(JavaObject& parent, const JavaValue& child) const {
    if (child.object() == nullptr) return;
    parent.height = std::max(parent.height, child.object()->height + 1);
    if (parent.height > kMaxDepth) in_.Fail("is nested too deep");
  }

  // The fields of a class follow those of its super classes.
  void ParseFields(const JavaClass& type, JavaObject& object, int depth) {
    if (depth > kMaxDepth) in_.Fail("is nested too deep");
    if (type.super) ParseFields(*type.super, object, depth + 1);
    if ((type.flags & kSerializable) == 0) in_.Fail("has a class of a kind that is not read here");
    for (const auto& [code, name] : type.fields) {
      object.fields.emplace_back(name, ParseField(code, depth));
      Raise(object, object.fields.back().second);
    }
    if ((type.flags & kWriteMethod) != 0) SkipAnnotation(depth);
  }

  JavaValue ParseContent(int depth) { return ParseTagged(in_.Byte(), depth); }

  JavaValue ParseTagged(uint8_t tag, int depth) {
    if (depth > kMaxDepth) in_.Fail("is nested too deep");
    switch (tag) {
      case kNull:
        return {};
      case kReference: {
        const auto* known = std::get_if<JavaValue>(&Reference());
        if (known == nullptr) in_.Fail("refers to a class where an object is expected");
        return *known;
      }
      case kString:
      case kLongString: {
        const size_t handle = NewHandle();
        JavaValue value{
            std::make_shared<const std::string>(Utf(in_.Unsigned(tag == kString ? 2 : 8)))};
        handles_[handle] = value;
        return value;
      }
      case kObject: {
        const ClassPointer type = ParseClass(depth + 1);
        if (!type) in_.Fail("has an object without a class");
        const size_t handle = NewHandle();
        auto object = std::make_shared<JavaObject>();
        object->class_name = type->name;
        // References from an object to itself are read as null, to avoid cycles.
        ParseFields(*type, *object, depth + 1);
        return std::get<JavaValue>(handles_[handle] =
                                       JavaValue{std::shared_ptr<const JavaObject>(object)});
      }
      case kArray: {
        const ClassPointer type = ParseClass(depth + 1);
        if (!type || type->name.size() < 2 || type->name[0] != '[') {
          in_.Fail("has an array without a class");
        }
        const size_t handle = NewHandle();
        const int32_t count = in_.Int();
        // An element takes at least a byte, so the count is bounded by what is left.
        if (count < 0 || static_cast<size_t>(count) > in_.left())
          in_.Fail("has an impossible array");
        auto array = std::make_shared<JavaObject>();
        array->class_name = type->name;
        for (int32_t i = 0; i < count; ++i) {
          array->elements.push_back(ParseField(type->name[1], depth));
          Raise(*array, array->elements.back());
        }
        return std::get<JavaValue>(handles_[handle] =
                                       JavaValue{std::shared_ptr<const JavaObject>(array)});
      }
      default:
        in_.Fail("has content of a kind that is not read here");
    }
  }

  ByteReader in_;
  std::vector<Handle> handles_;
};

// Hadoop's variable-length integers: one byte from -112 up, else a byte that gives the sign and
// the length.
int64_t VariableInt(ByteReader& in) {
  const auto first = static_cast<int8_t>(in.Byte());
  if (first >= -112) return first;
  const bool negative = first < -120;
  const auto size = static_cast<size_t>(negative ? -120 - first : -112 - first);
  const uint64_t value = in.Unsigned(size);
  return static_cast<int64_t>(negative ? ~value : value);
}

std::string HadoopText(ByteReader& in) {
  const int64_t length = VariableInt(in);
  if (length < 0) in.Fail("has a string of negative length");
  const std::span<const uint8_t> bytes = in.Take(static_cast<size_t>(length));
  return std::string(bytes.begin(), bytes.end());
}

size_t Length(ByteReader& in) {
  const int32_t length = in.Int();
  if (length < 0) in.Fail("has a negative length");
  return static_cast<size_t>(length);
}

}  // namespace

const std::string* JavaValue::string() const {
  const auto* pointer = std::get_if<std::shared_ptr<const std::string>>(&value);
  return pointer == nullptr ? nullptr : pointer->get();
}

const JavaObject* JavaValue::object() const {
  const auto* pointer = std::get_if<std::shared_ptr<const JavaObject>>(&value);
  return pointer == nullptr ? nullptr : pointer->get();
}

const int64_t* JavaValue::unboxed() const {
  if (integer() != nullptr) return integer();
  const JavaValue* boxed = object() != nullptr ? object()->Field("value") : nullptr;
  return boxed == nullptr ? nullptr : boxed->integer();
}

const JavaValue* JavaObject::Field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return &value;
  }
  return nullptr;
}

JavaValue ParseJavaStream(const std::string& name, std::span<const uint8_t> bytes) {
  return JavaStream(name, bytes).Parse();
}

void ReadSequenceFile(const std::string& name, std::span<const uint8_t> bytes,
                      const std::function<void(std::span<const uint8_t>)>& visit) {
  constexpr size_t kSyncBytes = 16;
  constexpr char kVersion = 6;
  ByteReader in(name, bytes);
  const std::span<const uint8_t> magic = in.Take(4);
  if (std::string(magic.begin(), magic.end()) != std::string("SEQ") + kVersion) {
    in.Fail("is not a Hadoop sequence file of version 6");
  }
  HadoopText(in);  // the keys' class
  if (const std::string type = HadoopText(in); type != "org.apache.hadoop.io.BytesWritable") {
    in.Fail("holds " + type.substr(0, 100) + ", not BytesWritable");
  }
  if (in.Byte() != 0 || in.Byte() != 0) {
    throw Error(ErrorCode::kUnsupported, name +
                                             ": is compressed; write the artifact again without "
                                             "mapreduce.output.fileoutputformat.compress");
  }
  for (size_t count = Length(in); count > 0; --count) {
    HadoopText(in);
    HadoopText(in);
  }
  const std::span<const uint8_t> sync = in.Take(kSyncBytes);
  while (!in.AtEnd()) {
    const int32_t length = in.Int();
    if (length == -1) {  // a sync mark, so that readers can start in the middle
      const std::span<const uint8_t> mark = in.Take(kSyncBytes);
      if (!std::equal(mark.begin(), mark.end(), sync.begin())) in.Fail("has a wrong sync mark");
      continue;
    }
    const size_t key = Length(in);
    if (length < 0 || key > static_cast<size_t>(length)) in.Fail("has an impossible record");
    in.Take(key);
    const size_t value = static_cast<size_t>(length) - key;
    if (value < 4 || Length(in) != value - 4) in.Fail("has a record of the wrong length");
    visit(in.Take(value - 4));
  }
}

}  // namespace uffizi
