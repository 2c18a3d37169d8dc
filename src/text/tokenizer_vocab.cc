// Reads the older form of a tokenizer: vocab.json and merges.txt, with the accompanying files that
// say which tokens are special. Follows transformers 5 (RobertaTokenizer, which BART's is an alias
// of).

#include <algorithm>
#include <array>
#include <map>

#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "text/tokenizer_spec.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using std::filesystem::path;

// The named special tokens in the order in which they are added.
constexpr std::array<std::pair<const char*, const char*>, 7> kNamedTokens = {{
    {"bos_token", "<s>"},
    {"eos_token", "</s>"},
    {"unk_token", "<unk>"},
    {"sep_token", "</s>"},
    {"pad_token", "<pad>"},
    {"cls_token", "<s>"},
    {"mask_token", "<mask>"},
}};

// A token as the config files write it: its text, or an object with flags.
AddedToken ReadToken(const JsonReader& node, bool is_special) {
  AddedToken token;
  if (node.IsString()) {
    token.content = node.String();
    token.special = is_special;
    token.normalized = !is_special;
    return token;
  }
  token.content = node.At("content").String();
  token.special = is_special || node.BoolOr("special", false);
  token.normalized = node.BoolOr("normalized", !token.special);
  token.lstrip = node.BoolOr("lstrip", false);
  token.rstrip = node.BoolOr("rstrip", false);
  token.single_word = node.BoolOr("single_word", false);
  return token;
}

int ParseId(const JsonReader& where, const std::string& text) {
  if (text.empty() || text.size() > 8 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    where.Fail("the key must be a token's id");
  }
  return std::stoi(text);
}

// The named and unnamed special tokens, from the two files that may list them.
struct SpecialTokens {
  std::map<std::string, AddedToken> named;
  std::vector<AddedToken> others;

  void Read(const JsonReader& file) {
    for (const auto& [name, fallback] : kNamedTokens) {
      if (const std::optional<JsonReader> node = file.Find(name))
        named[name] = ReadToken(*node, true);
    }
    for (const char* list : {"additional_special_tokens", "extra_special_tokens"}) {
      const std::optional<JsonReader> node = file.Find(list);
      if (!node || node->IsObject()) continue;
      for (const JsonReader& item : node->Items()) others.push_back(ReadToken(item, true));
    }
  }

  bool Contains(const std::string& content) const {
    return std::any_of(named.begin(), named.end(),
                       [&](const auto& item) { return item.second.content == content; }) ||
           std::any_of(others.begin(), others.end(),
                       [&](const AddedToken& token) { return token.content == content; });
  }
};

void ReadMergesFile(const path& file, TokenizerSpec& spec) {
  std::string content;
  try {
    content = ReadFile(file);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidModel, error.what());
  }
  size_t line_number = 0;
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    std::string line = content.substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    std::optional<std::pair<std::string, std::string>> pair = ParseMerge(line);
    if (!pair) {
      throw Error(ErrorCode::kInvalidModel, file.string() + ": line " +
                                                std::to_string(line_number) +
                                                ": must be two tokens separated by a space");
    }
    spec.merges.push_back(*std::move(pair));
  }
}

// By id: tokenizer_config.json's list, or the older added_tokens.json.
std::map<int, AddedToken> ReadAdded(const std::optional<JsonReader>& config, const path& folder,
                                    const SpecialTokens& special) {
  std::map<int, AddedToken> added;
  if (const auto list = config ? config->Find("added_tokens_decoder") : std::nullopt) {
    for (const auto& [key, node] : list->Members()) {
      added[ParseId(node, key)] = ReadToken(node, false);
    }
    return added;
  }
  if (const auto list = JsonReader::OpenIfThere(folder / "added_tokens.json")) {
    for (const auto& [content, node] : list->Members()) {
      AddedToken& token = added[node.Int(0, kMaxTokenId)];
      token.content = content;
      token.special = special.Contains(content);
      token.normalized = !token.special;
    }
  }
  return added;
}

}  // namespace

TokenizerSpec ReadVocabAndMerges(const path& folder) {
  TokenizerSpec spec;
  spec.vocab_file = (folder / "vocab.json").string();
  spec.merges_file = (folder / "merges.txt").string();
  for (const auto& [token, node] : JsonReader::Open(spec.vocab_file).Members()) {
    spec.vocab.emplace_back(token, node.Int(0, kMaxTokenId));
  }
  ReadMergesFile(spec.merges_file, spec);

  SpecialTokens special;
  for (const auto& [name, content] : kNamedTokens) {
    AddedToken& token = special.named[name];
    token.content = content;
    token.special = true;
  }
  const auto config = JsonReader::OpenIfThere(folder / "tokenizer_config.json");
  if (config) {
    special.Read(*config);
    spec.add_prefix_space = config->BoolOr("add_prefix_space", false);
  }
  const auto map = JsonReader::OpenIfThere(folder / "special_tokens_map.json");
  if (map && !(config && config->Has("added_tokens_decoder"))) special.Read(*map);

  const auto add = [&spec](const AddedToken& token) {
    const auto is_same = [&](const AddedToken& other) { return other.content == token.content; };
    if (std::none_of(spec.added_tokens.begin(), spec.added_tokens.end(), is_same)) {
      spec.added_tokens.push_back(token);
    }
  };
  for (auto& [id, token] : ReadAdded(config, folder, special)) {
    AddedToken with_flag = token;
    with_flag.special = token.special || special.Contains(token.content);
    add(with_flag);
  }
  for (const auto& [name, fallback] : kNamedTokens) add(special.named[name]);
  for (const AddedToken& token : special.others) add(token);
  spec.prefix_tokens = {special.named["cls_token"].content};
  spec.suffix_tokens = {special.named["sep_token"].content};
  return spec;
}

}  // namespace uffizi
