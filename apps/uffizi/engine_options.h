#ifndef UFFIZI_APPS_ENGINE_OPTIONS_H_
#define UFFIZI_APPS_ENGINE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "uffizi/engine.h"

namespace uffizi::cli {

// An option transformer for the names of an enum's values.
template <typename Enum>
CLI::CheckedTransformer OneOf() {
  std::map<std::string, Enum> values;
  for (const auto& [value, name] : EnumNames<Enum>::kAll) values[name] = value;
  CLI::CheckedTransformer transformer(values);
  transformer.description("");
  return transformer;
}

// Adds --lora, --compute, --threads, --engine and --device.
void AddEngineOptions(CLI::App& command, EngineOptions& engine);

// The engine for `model`: a folder, artifact or name; the default model for "".
std::shared_ptr<const Engine> LoadEngine(const std::string& model, EngineOptions options);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_ENGINE_OPTIONS_H_
