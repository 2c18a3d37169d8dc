#ifndef UFFIZI_TEXT_TOKENIZER_SPEC_H_
#define UFFIZI_TEXT_TOKENIZER_SPEC_H_

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace uffizi {

// Ids above this are refused: a table by id must stay small even for a broken file.
constexpr int kMaxTokenId = (1 << 24) - 1;

// A token that is found in text before anything else is done to it. The flags are those of
// `tokenizers.AddedToken`.
struct AddedToken {
  std::string content;
  bool special = false;      // left out by Decode(ids, skip_special_tokens)
  bool normalized = false;   // looked for after those that are not
  bool lstrip = false;       // takes the white space before it, too
  bool rstrip = false;       // takes the white space after it, too
  bool single_word = false;  // not beside a word character
};

// What a model folder says about its tokenizer, checked for form but not yet for sense.
struct TokenizerSpec {
  std::string vocab_file;   // for messages
  std::string merges_file;  // for messages
  std::vector<std::pair<std::string, int>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  std::optional<std::string> unk_token;
  bool fuse_unk = false;       // neighbouring unknown bytes become one unk_token
  bool ignore_merges = false;  // a word in the vocabulary is that token
  bool add_prefix_space = false;
  bool use_regex = true;
  std::vector<AddedToken> added_tokens;
  // Around the text, where special tokens are asked for.
  std::vector<int> prefix_ids, suffix_ids;
  std::vector<std::string> prefix_tokens, suffix_tokens;
};

// Both throw Error(kInvalidModel) for a broken file, Error(kUnsupported) for one of another kind.
TokenizerSpec ReadTokenizerJson(const std::filesystem::path& file);
// vocab.json and merges.txt, with added_tokens.json, special_tokens_map.json and
// tokenizer_config.json where the folder has them, as transformers' RobertaTokenizer reads them.
TokenizerSpec ReadVocabAndMerges(const std::filesystem::path& folder);

// One line of merges.txt: two tokens with a space between. Nothing if it is not.
std::optional<std::pair<std::string, std::string>> ParseMerge(const std::string& line);

// Florence-2's location and task tokens in the order its processor adds them.
std::vector<std::string> Florence2Tokens();

// For messages: quoted, escaped, of bearable length.
std::string QuoteToken(const std::string& token);

}  // namespace uffizi

#endif  // UFFIZI_TEXT_TOKENIZER_SPEC_H_
