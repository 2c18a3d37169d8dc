#include "hub/pull.h"

#include <fmt/format.h>
#include <unistd.h>

#include "commands.h"
#include "hub/manifest.h"
#include "megabytes.h"
#include "progress.h"
#include "say.h"
#include "uffizi/models.h"

namespace uffizi::cli {
namespace {

std::string Text(const PullProgress& now) {
  const double done = Megabytes(now.done);
  if (now.total == 0) return fmt::format("{}: {:.0f} MB", now.file, done);
  return fmt::format("{}: {:.0f} of {:.0f} MB", now.file, done, Megabytes(now.total));
}

int Verify(const std::string& name) {
  if (!ModelName::IsOne(name)) {
    throw Error(ErrorCode::kInvalidArgument, name + ": not a model's name, which --verify needs");
  }
  size_t files = 0;
  const std::vector<std::string> damage =
      VerifyModel(ModelName(name), [&](const KnownFile&) { ++files; });
  for (const std::string& line : damage) Say("uffizi: {}\n", line);
  if (damage.empty()) {
    fmt::print("{}: {} files match their checksums\n", name, files);
    return kOk;
  }
  Say("uffizi: move its folder away and run `uffizi pull {}` to download it again\n", name);
  return kBadModel;
}

}  // namespace

std::filesystem::path FindModel(const std::string& named, int bits) {
  if (named.empty()) return DefaultModel();
  StatusLine line(StatusLine::StyleFor(false));
  const auto show = [&](const PullProgress& now) {
    if (line.Due()) {
      std::optional<double> share;
      if (now.total > 0) share = static_cast<double>(now.done) / static_cast<double>(now.total);
      line.Show(Text(now), share);
    }
    return true;
  };
  return ResolveModel(named, show, bits);
}

void AddLoraOption(CLI::App& command, std::vector<LoraSource>& lora) {
  command
      .add_option_function<std::vector<std::string>>(
          "--lora",
          [&lora](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              try {
                lora.push_back(LoraSource::Parse(text));
              } catch (const Error& error) {
                throw CLI::ValidationError("--lora", error.what());
              }
            }
          },
          "LoRA adapter to merge into the model: a folder saved by peft, or a name, optionally "
          "with =WEIGHT; may be repeated")
      ->allow_extra_args(false)
      ->type_name("DIR[=WEIGHT]");
}

std::vector<LoraSource> FindAdapters(std::vector<LoraSource> lora) {
  for (LoraSource& adapter : lora) adapter.source = FindModel(adapter.source.string());
  return lora;
}

Command AddPull(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto verify = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("pull", "Download a model into the cache");
  command->add_option("NAME", *name, "Name of a model on Hugging Face or of Spark NLP")->required();
  command->add_flag("--verify", *verify,
                    "Check every file of a model in the cache against its checksum");
  command->footer(
      "Every command that takes a model also takes NAME and downloads it if necessary.\n"
      "Examples:\n"
      "  uffizi pull microsoft/Florence-2-large-ft\n"
      "  uffizi pull florence_2_large_int4\n"
      "  uffizi pull --verify florence_2_large_int4\n"
      "docs/models.md explains mirrors, tokens, proxies and working offline.");
  return [name, verify]() -> int {
    if (*verify) return Verify(*name);
    fmt::print("{}\n", FindModel(*name).string());
    return kOk;
  };
}

}  // namespace uffizi::cli
