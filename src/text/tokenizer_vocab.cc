// Reads the older form of a tokenizer: vocab.json and merges.txt, with the files beside them that
// say which tokens are special. Follows transformers 5 (RobertaTokenizer, which BART's is an alias
// of).

#include <algorithm>
#include <array>
#include <map>

#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "text/json_node.h"
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
AddedToken ReadToken(const JsonNode& node, bool is_special) {
  AddedToken token;
  if (node.IsText()) {
    token.content = node.Text();
    token.special = is_special;
    token.normalized = !is_special;
    return token;
  }
  token.content = node.At("content").Text();
  token.special = is_special || node.FlagOr("special", false);
  token.normalized = node.FlagOr("normalized", !token.special);
  token.lstrip = node.FlagOr("lstrip", false);
  token.rstrip = node.FlagOr("rstrip", false);
  token.single_word = node.FlagOr("single_word", false);
  return token;
}

int ParseId(const JsonNode& where, const std::string& text) {
  if (text.empty() || text.size() > 8 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    where.Fail("the key must be a token's id");
  }
  return std::stoi(text);
}

// A JSON file of the folder, open for as long as the nodes into it are used.
class OptionalJson {
 public:
  explicit OptionalJson(const path& file) : name_(file.string()) {
    if (std::filesystem::exists(file)) document_ = JsonReader::Open(file);
  }
  std::optional<JsonNode> node() const {
    if (!document_) return std::nullopt;
    return JsonNode(document_->value(), name_);
  }
  std::optional<JsonNode> Find(const std::string& key) const {
    return document_ ? node()->Find(key) : std::nullopt;
  }

 private:
  std::string name_;
  std::optional<JsonReader> document_;
};

// The special tokens by name and the unnamed ones, from both files that may tell.
struct SpecialTokens {
  std::map<std::string, AddedToken> named;
  std::vector<AddedToken> others;

  void Read(const JsonNode& file) {
    for (const auto& [name, fallback] : kNamedTokens) {
      if (const std::optional<JsonNode> node = file.Find(name))
        named[name] = ReadToken(*node, true);
    }
    for (const char* list : {"additional_special_tokens", "extra_special_tokens"}) {
      const std::optional<JsonNode> node = file.Find(list);
      if (!node || node->IsObject()) continue;
      for (const JsonNode& item : node->Items()) others.push_back(ReadToken(item, true));
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
                                                ": not two tokens with a space between");
    }
    spec.merges.push_back(*std::move(pair));
  }
}

// By id: tokenizer_config.json's list, or the older added_tokens.json.
std::map<int, AddedToken> ReadAdded(const OptionalJson& config, const path& folder,
                                    const SpecialTokens& special) {
  std::map<int, AddedToken> added;
  if (const std::optional<JsonNode> list = config.Find("added_tokens_decoder")) {
    for (const auto& [key, node] : list->Members()) {
      added[ParseId(node, key)] = ReadToken(node, false);
    }
    return added;
  }
  const OptionalJson file(folder / "added_tokens.json");
  if (const std::optional<JsonNode> list = file.node()) {
    for (const auto& [content, node] : list->Members()) {
      AddedToken& token = added[node.Id()];
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
  const JsonReader vocab = JsonReader::Open(spec.vocab_file);
  for (const auto& [token, node] : JsonNode(vocab.value(), spec.vocab_file).Members()) {
    spec.vocab.emplace_back(token, node.Id());
  }
  ReadMergesFile(spec.merges_file, spec);

  SpecialTokens special;
  for (const auto& [name, content] : kNamedTokens) {
    AddedToken& token = special.named[name];
    token.content = content;
    token.special = true;
  }
  const OptionalJson config(folder / "tokenizer_config.json");
  if (const std::optional<JsonNode> node = config.node()) {
    special.Read(*node);
    spec.add_prefix_space = node->FlagOr("add_prefix_space", false);
  }
  const OptionalJson map(folder / "special_tokens_map.json");
  if (!config.Find("added_tokens_decoder") && map.node()) special.Read(*map.node());

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
