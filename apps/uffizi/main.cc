// The command line: see docs/command-line.md.

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <system_error>

#include "commands.h"
#include "say.h"
#include "uffizi/error.h"

namespace uffizi::cli {
namespace {

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kInvalidPrompt:
    case ErrorCode::kPromptTooLong:
    case ErrorCode::kNotFound:
      return kUsage;
    case ErrorCode::kInvalidModel:
    case ErrorCode::kUnsupported:
      return kBadModel;
    case ErrorCode::kIo:
      return kBadOutput;
    case ErrorCode::kCancelled:
      return kInterrupted;
    default:
      return kInternal;
  }
}

constexpr const char* kFooter = R"(Examples:
  uffizi annotate photo.jpg --task od
  uffizi annotate photos/*.jpg --task caption --task ocr --output answers.jsonl
  uffizi annotate photo.jpg --task grounding --text "a cat on a sofa" --draw drawn/
  uffizi info path/to/Florence-2-base
Each command has its own help: uffizi annotate --help)";

int Main(int argc, char** argv) {
  CLI::App app(
      "Uffizi runs Florence-2 on CPUs: it captions pictures, detects objects, grounds phrases, "
      "segments, and reads text.",
      "uffizi");
  app.set_version_flag("--version", UFFIZI_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  std::map<std::string, Command> commands = {
      {"annotate", AddAnnotate(app)}, {"bench", AddBench(app)},   {"parse", AddParse(app)},
      {"tokenize", AddTokenize(app)}, {"info", AddInfo(app)},     {"quantize", AddQuantize(app)},
      {"serve", AddServe(app)},       {"health", AddHealth(app)}, {"import", AddImport(app)},
      {"pull", AddPull(app)},         {"mcp", AddMcp(app)},       {"check", AddCheck(app)},
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  const int code = commands.at(app.get_subcommands().front()->get_name())();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw Error(ErrorCode::kIo, "standard output cannot be written");
  }
  return code;
}

}  // namespace
}  // namespace uffizi::cli

int main(int argc, char** argv) {
  try {
    return uffizi::cli::Main(argc, argv);
  } catch (const uffizi::Error& error) {
    uffizi::cli::Say("uffizi: {}\n", error.what());
    return uffizi::cli::ExitCodeOf(error.code());
  } catch (const std::system_error& error) {  // of fmt::print
    uffizi::cli::Say("uffizi: standard output cannot be written: {}\n", error.code().message());
    return uffizi::cli::kBadOutput;
  } catch (const std::bad_alloc&) {
    uffizi::cli::Say("uffizi: out of memory\n");
  } catch (const std::exception& error) {
    uffizi::cli::Say("uffizi: {}\n", error.what());
  }
  return uffizi::cli::kInternal;
}
