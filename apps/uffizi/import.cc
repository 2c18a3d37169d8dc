#include <fmt/format.h>

#include "commands.h"
#include "uffizi/models.h"

namespace uffizi::cli {
namespace {

struct ImportArguments {
  std::string source, out;
  ImportOptions options;
};

int RunImport(const ImportArguments& arguments) {
  ImportModel(arguments.source, arguments.out, arguments.options);
  fmt::print("{}\n", arguments.out);
  return kOk;
}

}  // namespace

Command AddImport(CLI::App& app) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand(
      "import", "Turn a Spark NLP or OpenVINO Florence-2 artifact into a model folder");
  command
      ->add_option("SOURCE", arguments->source,
                   "Spark NLP artifact (zip or folder), or folder of the five IR models")
      ->required();
  command->add_option("OUT", arguments->out, "Folder to make")->required();
  command
      ->add_option("--bits", arguments->options.bits,
                   "Of matrices that SOURCE stores wider than 4 bits: 4, 8 or 16 (default: as they "
                   "are, 8 bits or f16)")
      ->check(CLI::IsMember({4, 8, 16}));
  command->footer(
      "Every command that takes a model takes SOURCE, too, and imports it into the cache.\n"
      "Example: uffizi import florence_2_large_int4_en_5.5.1_3.0_1748317523815.zip large-int4");
  return [arguments] { return RunImport(*arguments); };
}

}  // namespace uffizi::cli
