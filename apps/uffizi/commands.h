#ifndef UFFIZI_APPS_COMMANDS_H_
#define UFFIZI_APPS_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <vector>

#include "uffizi/engine.h"

namespace uffizi::cli {

// What the process returns. Documented in docs/command-line.md.
enum ExitCode {
  kOk = 0,
  kSomeFailed = 1,     // the job is done, but some pictures or lines have error records
  kUsage = 2,          // an option, task or prompt that makes no sense
  kBadModel = 3,       // the model cannot be loaded
  kBadOutput = 4,      // results cannot be written
  kInternal = 5,       // a defect of ours
  kInterrupted = 130,  // stopped by Ctrl-C
};

// Each adds a subcommand to `app`. The returned function runs it, once parsed, and gives the exit
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
Command AddPull(CLI::App& app);

// --lora, which fills `lora` when the command line is parsed.
void AddLoraOption(CLI::App& command, std::vector<LoraSource>& lora);

// The adapters with their folders, downloaded like models. Throws as ResolveModel does.
std::vector<LoraSource> FindAdapters(std::vector<LoraSource> lora);

// The folder of the model to use if none is named: $UFFIZI_MODEL, else the one that came with the
// program. Throws Error(kNotFound).
std::filesystem::path DefaultModel();

// The folder of the model that `named` means, downloaded or imported if need be, with a bar that
// tells how far that is; the default model for "". `bits`: see ResolveModel, which throws likewise.
std::filesystem::path FindModel(const std::string& named, int bits = 4);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_COMMANDS_H_
