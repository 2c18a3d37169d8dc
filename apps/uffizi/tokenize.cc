#include <fmt/format.h>

#include <charconv>
#include <iostream>
#include <sstream>

#include "commands.h"
#include "text/tokenizer.h"
#include "uffizi/error.h"

namespace uffizi::cli {
namespace {

struct TokenizeOptions {
  std::string model;
  bool decode = false;
  bool no_special_tokens = false;
};

// "0 713 2", separated by anything that is not a digit.
std::vector<int> ParseIds(const std::string& line) {
  std::vector<int> ids;
  const char* const end = line.data() + line.size();
  for (const char* at = line.data(); at != end;) {
    if (*at == ' ' || *at == ',' || *at == '[' || *at == ']' || *at == '\t' || *at == '\r') {
      ++at;
      continue;
    }
    int id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc() || id < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  "not a list of ids: \"" + line + "\"; write it like this: 0 713 2");
    }
    ids.push_back(id);
    at = next;
  }
  return ids;
}

int RunTokenize(const TokenizeOptions& options) {
  const Tokenizer tokenizer = Tokenizer::Load(FindModel(options.model));
  for (std::string line; std::getline(std::cin, line);) {
    if (options.decode) {
      fmt::print("{}\n", tokenizer.Decode(ParseIds(line), options.no_special_tokens));
    } else {
      fmt::print("{}\n", fmt::join(tokenizer.Encode(line, !options.no_special_tokens), " "));
    }
  }
  return kOk;
}

}  // namespace

Command AddTokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command =
      app.add_subcommand("tokenize", "Convert lines of text to token ids, or back with --decode");
  command->add_option("--model", options->model,
                      "Model folder, artifact or name (default: the included model)");
  command->add_flag("--decode", options->decode, "Read lines of ids and write text");
  command->add_flag("--no-special-tokens", options->no_special_tokens,
                    "Leave out <s> and </s>; when decoding, all special tokens");
  command->footer("Example:\n  echo 'What does the image describe?' | uffizi tokenize");
  return [options] { return RunTokenize(*options); };
}

}  // namespace uffizi::cli
