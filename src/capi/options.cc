#include "capi/options.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <string_view>
#include <type_traits>

#include "capi/guard.h"

namespace uffizi::capi {
namespace {

[[noreturn]] void Refuse(const std::string& name, const std::string& value, const char* wanted) {
  throw Error(ErrorCode::kInvalidArgument, name + " must be " + wanted + ", not \"" + value + "\"");
}

template <typename Number>
requires std::is_arithmetic_v<Number>
void Read(const std::string& name, const std::string& value, Number& out) {
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, out);
  if (error != std::errc() || stop != end) {
    Refuse(name, value, std::is_integral_v<Number> ? "a whole number in range" : "a number");
  }
}

void Read(const std::string& name, const std::string& value, bool& out) {
  if (value != "true" && value != "false") Refuse(name, value, "true or false");
  out = value == "true";
}

void Read(const std::string&, const std::string& value, std::string& out) { out = value; }

void Read(const std::string& name, const std::string& value, std::vector<int>& out) {
  out.clear();
  size_t begin = 0;
  while (begin < value.size()) {
    const size_t comma = std::min(value.find(',', begin), value.size());
    Read(name, value.substr(begin, comma - begin), out.emplace_back());
    begin = comma + 1;
  }
}

// One a line, since paths may contain any other character.
void Read(const std::string&, const std::string& value, std::vector<LoraSource>& out) {
  out.clear();
  size_t begin = 0;
  while (begin < value.size()) {
    const size_t end = std::min(value.find('\n', begin), value.size());
    if (end > begin) out.push_back(LoraSource::Parse(value.substr(begin, end - begin)));
    begin = end + 1;
  }
}

// One a line, since labels may contain any other character.
void Read(const std::string&, const std::string& value, std::vector<std::string>& out) {
  out.clear();
  for (size_t begin = 0; begin < value.size();) {
    const size_t end = std::min(value.find('\n', begin), value.size());
    if (end > begin) out.push_back(value.substr(begin, end - begin));
    begin = end + 1;
  }
}

void Read(const std::string& name, const std::string& value, Task& out) {
  const std::optional<Task> known = FindTask(value);
  if (!known) Refuse(name, value, "the name of a task");
  out = *known;
}

template <typename Enum>
requires std::is_enum_v<Enum>
void Read(const std::string& name, const std::string& value, Enum& out) {
  const std::optional<Enum> known = FromName<Enum>(value);
  if (!known) Refuse(name, value, AllNames<Enum>().c_str());
  out = *known;
}

template <typename T>
void Read(const std::string& name, const std::string& value, std::optional<T>& out) {
  Read(name, value, out.emplace());
}

// The options of one function, by name.
class Table {
 public:
  template <typename T>
  Table& Add(const char* name, T& target) {
    readers_[name] = [name, &target](const std::string& value) { Read(name, value, target); };
    return *this;
  }

  void Fill(const uffizi_options* options) const {
    if (options == nullptr) return;
    for (const auto& [name, value] : options->values) {
      const auto reader = readers_.find(name);
      if (reader == readers_.end()) {
        throw Error(ErrorCode::kInvalidArgument, "no option is called \"" + name + "\" here");
      }
      reader->second(value);
    }
  }

 private:
  std::map<std::string_view, std::function<void(const std::string&)>> readers_;
};

}  // namespace

DecodeOptions ReadDecodeOptions(const uffizi_options* options) {
  DecodeOptions result;
  size_t page = 1;
  Table()
      .Add("exif_orientation", result.apply_exif_orientation)
      .Add("alpha", result.alpha)
      .Add("max_pixels", result.max_pixels)
      .Add("max_file_bytes", result.max_file_bytes)
      .Add("truncated", result.truncated)
      .Add("page", page)
      .Add("pdf_dpi", result.pdf_dpi)
      .Fill(options);
  if (page == 0) Refuse("page", "0", "a number from 1");
  if (!(result.pdf_dpi >= 10 && result.pdf_dpi <= 1200)) {
    Refuse("pdf_dpi", std::to_string(result.pdf_dpi), "10 to 1200");
  }
  result.page = page - 1;
  return result;
}

EngineOptions ReadEngineOptions(const uffizi_options* options) {
  EngineOptions result;
  Table()
      .Add("compute", result.compute)
      .Add("threads", result.threads)
      .Add("lora", result.lora)
      .Add("engine", result.kind)
      .Add("device", result.device)
      .Fill(options);
  return result;
}

QuestionOptions ReadQuestionOptions(const uffizi_options* options) {
  QuestionOptions result;
  Table table;
  ForEachField(kGenerationFields,
               [&](const auto& field) { table.Add(field.name, result.generation.*field.member); });
  table.Add("max_input_length", result.max_input_length)
      .Add("min_score", result.filter.min_score)
      .Add("labels", result.filter.labels)
      .Add("as", result.answer_as)
      .Fill(options);
  return result;
}

}  // namespace uffizi::capi

using uffizi::capi::Guard;
using uffizi::capi::Require;

uffizi_status uffizi_options_new(uffizi_options** out) {
  return Guard([&] {
    Require(out, "out");
    *out = new uffizi_options;
  });
}

uffizi_status uffizi_options_set(uffizi_options* options, const char* name, const char* value) {
  return Guard([&] {
    Require(options, "options");
    Require(name, "name");
    Require(value, "value");
    options->values[name] = value;
  });
}

void uffizi_options_free(uffizi_options* options) { delete options; }
