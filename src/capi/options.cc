#include "capi/options.h"

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

// A line each: paths may hold any other character.
void Read(const std::string&, const std::string& value, std::vector<LoraSource>& out) {
  out.clear();
  size_t begin = 0;
  while (begin < value.size()) {
    const size_t end = std::min(value.find('\n', begin), value.size());
    if (end > begin) out.push_back(LoraSource::Parse(value.substr(begin, end - begin)));
    begin = end + 1;
  }
}

void Read(const std::string& name, const std::string& value, AlphaMode& out) {
  if (value != "white" && value != "drop") Refuse(name, value, "white or drop");
  out = value == "white" ? AlphaMode::kWhite : AlphaMode::kDrop;
}

void Read(const std::string& name, const std::string& value, Compute& out) {
  static const std::map<std::string_view, Compute> kComputes = {
      {"auto", Compute::kAuto}, {"f32", Compute::kF32}, {"int4", Compute::kInt4}};
  const auto compute = kComputes.find(value);
  if (compute == kComputes.end()) Refuse(name, value, "auto, f32 or int4");
  out = compute->second;
}

void Read(const std::string& name, const std::string& value, EngineKind& out) {
  if (value != "native" && value != "openvino") Refuse(name, value, "native or openvino");
  out = value == "native" ? EngineKind::kNative : EngineKind::kOpenVino;
}

template <typename T>
void Read(const std::string& name, const std::string& value, std::optional<T>& out) {
  Read(name, value, out.emplace());
}

// The options that one function knows, by name.
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
  Table()
      .Add("exif_orientation", result.apply_exif_orientation)
      .Add("alpha", result.alpha)
      .Add("max_pixels", result.max_pixels)
      .Add("max_file_bytes", result.max_file_bytes)
      .Fill(options);
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
  GenerationOptions& generation = result.generation;
  Table()
      .Add("num_beams", generation.num_beams)
      .Add("early_stopping", generation.early_stopping)
      .Add("length_penalty", generation.length_penalty)
      .Add("no_repeat_ngram_size", generation.no_repeat_ngram_size)
      .Add("repetition_penalty", generation.repetition_penalty)
      .Add("min_length", generation.min_length)
      .Add("max_length", generation.max_length)
      .Add("do_sample", generation.do_sample)
      .Add("temperature", generation.temperature)
      .Add("top_k", generation.top_k)
      .Add("top_p", generation.top_p)
      .Add("seed", generation.seed)
      .Add("forced_bos", generation.forced_bos)
      .Add("forced_eos", generation.forced_eos)
      .Add("suppress_tokens", generation.suppress_tokens)
      .Add("eos_token_ids", generation.eos_token_ids)
      .Add("max_input_length", result.max_input_length)
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
