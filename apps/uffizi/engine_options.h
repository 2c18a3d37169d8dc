#ifndef UFFIZI_APPS_ENGINE_OPTIONS_H_
#define UFFIZI_APPS_ENGINE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "uffizi/engine.h"

namespace uffizi::cli {

// --lora, --compute, --threads, --engine and --device.
void AddEngineOptions(CLI::App& command, EngineOptions& engine);

// The engine for `model`: a folder, artifact or name; the default model for "".
std::shared_ptr<const Engine> LoadEngine(const std::string& model, EngineOptions options);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_ENGINE_OPTIONS_H_
