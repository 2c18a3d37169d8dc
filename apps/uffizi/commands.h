#ifndef UFFIZI_APPS_COMMANDS_H_
#define UFFIZI_APPS_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <vector>

#include "uffizi/engine.h"

namespace uffizi::cli {

// The exit codes of the process, documented in docs/command-line.md.
enum ExitCode {
  kOk = 0,
  kSomeFailed = 1,     // finished, but some pictures or lines have error records
  kUsage = 2,          // an invalid option, task or prompt
  kBadModel = 3,       // the model cannot be loaded
  kBadOutput = 4,      // results cannot be written
  kInternal = 5,       // a bug in Uffizi
  kInterrupted = 130,  // stopped by Ctrl-C
};

// Each adds a subcommand to `app`. The returned function runs it after parsing and returns the exit
// code; it may throw uffizi::Error.
using Command = std::function<int()>;
Command AddAnnotate(CLI::App& app);
Command AddBench(CLI::App& app);
Command AddParse(CLI::App& app);
Command AddTokenize(CLI::App& app);
Command AddCheck(CLI::App& app);
Command AddInfo(CLI::App& app);
Command AddQuantize(CLI::App& app);
Command AddServe(CLI::App& app);
Command AddHealth(CLI::App& app);
Command AddImport(CLI::App& app);
Command AddMcp(CLI::App& app);
Command AddPull(CLI::App& app);

// Adds --lora, which fills `lora` when the command line is parsed.
void AddLoraOption(CLI::App& command, std::vector<LoraSource>& lora);

// Resolves adapters to their folders, downloading them like models. Throws like ResolveModel().
std::vector<LoraSource> FindAdapters(std::vector<LoraSource> lora);

// The folder of the default model: $UFFIZI_MODEL, else the included one. Throws Error(kNotFound).
std::filesystem::path DefaultModel();

// The folder of the model called `named`, downloaded or imported if necessary, with a progress bar;
// the default model for "". `bits`: see ResolveModel(), which throws the same errors.
std::filesystem::path FindModel(const std::string& named, int bits = 4);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_COMMANDS_H_
