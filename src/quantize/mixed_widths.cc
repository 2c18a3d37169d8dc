#include "quantize/mixed_widths.h"

#include <map>
#include <nlohmann/json.hpp>

#include "checkpoint/folder_writer.h"
#include "checkpoint/pack_quantized.h"
#include "checkpoint/weight_reader.h"
#include "core/json_reader.h"
#include "quantize/new_model_folder.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The module that represents all modules with the same input: queries, keys and values share an
// input, except that the queries of cross-attention have another than its keys and values.
std::string UnitOf(const std::string& module) {
  const bool cross = module.find(".encoder_attn.") != std::string::npos;
  for (const char* shared : {".k_proj", ".v_proj"}) {
    if (!module.ends_with(shared)) continue;
    return module.substr(0, module.rfind('.')) + (cross ? ".k_proj" : ".q_proj");
  }
  return module;
}

}  // namespace

MixedWidths::MixedWidths(const fs::path& narrow, const fs::path& wide)
    : narrow_(Checkpoint::Open(narrow)), wide_(Checkpoint::Open(wide)) {
  std::map<std::string, Unit> units;
  for (const auto& [name, tensor] : wide_.tensors()) {
    if (!IsPacked(narrow_, name)) continue;
    const std::string unit_name = UnitOf(ModuleOf(name));
    Unit& unit = units[unit_name];
    unit.name = unit_name;
    unit.weights.push_back(name);
    unit.elements += tensor.elements();
  }
  for (auto& [name, unit] : units) units_.push_back(std::move(unit));
}

Checkpoint MixedWidths::Mix(const std::set<std::string>& weights) const {
  Checkpoint mixed = narrow_;
  for (const std::string& weight : weights) {
    for (const char* part : {"_packed", "_scale", "_shape", "_zero_point"}) {
      mixed.Remove(weight + part);
    }
    mixed.Take(wide_, weight);
    const std::string bias = ModuleOf(weight) + ".bias";
    if (wide_.Find(bias) != nullptr) mixed.Take(wide_, bias);
  }
  return mixed;
}

void MixedWidths::Write(const std::set<std::string>& weights, const fs::path& to) const {
  const fs::path& from = narrow_.folder();
  CopyModelFiles(from, to);
  WriteSafetensors(to / "model.safetensors", Mix(weights).tensors());
  json config = JsonReader::Open(from / "config.json").value();
  for (const std::string& weight : weights) {
    config["quantization_config"]["ignore"].push_back(ModuleOf(weight));
  }
  WriteJson(to / "config.json", config);
}

}  // namespace uffizi
