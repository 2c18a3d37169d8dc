// GCC 12 warns about its own std::regex when sanitizers are on.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "checkpoint/lora_config.h"

#include <algorithm>
#include <cmath>

#include "core/json_reader.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxPattern = 1000;  // characters
constexpr double kMaxRank = 1e6;

// Adapter options that change more than the matrices show, or that cannot be expressed by a merge.
constexpr const char* kUnmergeable[] = {
    "alora_invocation_tokens", "arrow_config",      "kasa_config",
    "layer_replication",       "monteclora_config", "target_parameters",
    "trainable_token_indices", "use_bdlora",        "use_qalora"};

// Initializations that leave the model's own weights unchanged. The others (PiSSA, OLoRA, CorDA,
// LoftQ, ...) change the weights before training.
constexpr const char* kPlainStarts[] = {"gaussian", "eva", "orthogonal"};

bool IsSet(const JsonReader& reader, const char* key) {
  if (!reader.Has(key)) return false;
  const json& value = reader.value().at(key);
  return value != false && !((value.is_array() || value.is_object()) && value.empty());
}

[[noreturn]] void Refuse(const fs::path& file, const std::string& key, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, file.string() + ": " + key + ": " + reason);
}

void CheckKind(const JsonReader& reader, const fs::path& file) {
  const std::string kind = reader.StringOr("peft_type", "");
  if (kind != "LORA") Refuse(file, "peft_type", "only LORA can be merged, not \"" + kind + "\"");
  for (const char* key : kUnmergeable) {
    if (IsSet(reader, key)) Refuse(file, key, "adapters of this kind cannot be merged");
  }
  if (!reader.Has("init_lora_weights")) return;
  const json& start = reader.value().at("init_lora_weights");
  if (start.is_boolean() || std::find(std::begin(kPlainStarts), std::end(kPlainStarts), start) !=
                                std::end(kPlainStarts)) {
    return;
  }
  Refuse(
      file, "init_lora_weights",
      start.dump() +
          " changes the model's own weights before training; save the adapter as plain LoRA, with "
          "save_pretrained(..., path_initial_model_for_weight_conversion=...)");
}

// peft's get_pattern_key: a pattern is the end of a module's path, whole names from a dot on.
std::regex Compile(const JsonReader& patterns, const std::string& pattern) {
  auto flags = std::regex::ECMAScript | std::regex::optimize;
#ifdef __GLIBCXX__
  flags |= std::regex_constants::__polynomial;  // guards against exponential time
#endif
  if (pattern.size() > kMaxPattern) patterns.Fail(pattern.substr(0, 50), "is too long");
  try {
    return std::regex("(.*\\.)?(" + pattern + ")", flags);
  } catch (const std::regex_error&) {
    patterns.Fail(pattern, "is not a supported regular expression");
  }
}

std::vector<std::pair<std::regex, double>> ReadPatterns(const JsonReader& reader, const char* key) {
  std::vector<std::pair<std::regex, double>> compiled;
  const auto patterns = reader.Object(key);
  if (!patterns) return compiled;
  for (const auto& [pattern, value] : patterns->value().items()) {
    if (!value.is_number()) patterns->Fail(pattern, "must be a number");
    compiled.emplace_back(Compile(*patterns, pattern), value.get<double>());
  }
  return compiled;
}

}  // namespace

LoraConfig LoraConfig::Read(const fs::path& file) {
  const JsonReader reader = JsonReader::Open(file);
  CheckKind(reader, file);
  LoraConfig config;
  config.rank_ = reader.NumberOr("r", config.rank_);
  config.alpha_ = reader.NumberOr("lora_alpha", config.alpha_);
  config.rank_stabilized_ = reader.BoolOr("use_rslora", false);
  // fan_in_fan_out is for layers stored as [in, out], of which Florence-2 has none. For all others
  // peft resets it to false (dispatch_default in its tuners/lora/layer.py).
  config.rank_patterns_ = ReadPatterns(reader, "rank_pattern");
  config.alpha_patterns_ = ReadPatterns(reader, "alpha_pattern");
  if (!reader.Has("modules_to_save")) return config;
  const json& modules = reader.value().at("modules_to_save");
  if (!modules.is_array()) reader.Fail("modules_to_save", "must be a list");
  for (const json& module : modules) {
    if (!module.is_string()) reader.Fail("modules_to_save", "must be a list of names");
    config.modules_to_save_.push_back(module.get<std::string>());
  }
  return config;
}

double LoraConfig::Lookup(const Patterns& patterns, const std::string& module, double otherwise) {
  const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const auto& pattern) {
    return std::regex_match(module, pattern.first);
  });
  return found == patterns.end() ? otherwise : found->second;
}

size_t LoraConfig::Rank(const std::string& module) const {
  return static_cast<size_t>(std::clamp(Lookup(rank_patterns_, module, rank_), 0.0, kMaxRank));
}

double LoraConfig::Scale(const std::string& module) const {
  const double rank = Lookup(rank_patterns_, module, rank_);
  return Lookup(alpha_patterns_, module, alpha_) / (rank_stabilized_ ? std::sqrt(rank) : rank);
}

bool LoraConfig::IsSavedWhole(const std::string& module) const {
  return std::any_of(modules_to_save_.begin(), modules_to_save_.end(), [&](const auto& name) {
    return module == name || module.ends_with("." + name);
  });
}

}  // namespace uffizi
