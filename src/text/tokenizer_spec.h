#ifndef UFFIZI_TEXT_TOKENIZER_SPEC_H_
#define UFFIZI_TEXT_TOKENIZER_SPEC_H_

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace uffizi {

// Ids above this are refused, so that a table indexed by id stays small even for a damaged file.
constexpr int kMaxTokenId = (1 << 24) - 1;

// A token that is found in text before any other processing. The flags are those of
// `tokenizers.AddedToken`.
struct AddedToken {
  std::string content;
  bool special = false;      // left out by Decode(ids, skip_special_tokens)
  bool normalized = false;   // searched for after those that are not
  bool lstrip = false;       // takes the white space before it, too
  bool rstrip = false;       // takes the white space after it, too
  bool single_word = false;  // not beside a word character
};

// A model folder's description of its tokenizer, checked for syntax but not yet for consistency.
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
  // Put around the text if special tokens are requested.
  std::vector<int> prefix_ids, suffix_ids;
  std::vector<std::string> prefix_tokens, suffix_tokens;
};

// Both throw Error(kInvalidModel) for a damaged file and Error(kUnsupported) for another kind of
// tokenizer.
TokenizerSpec ReadTokenizerJson(const std::filesystem::path& file);
// vocab.json and merges.txt, with added_tokens.json, special_tokens_map.json and
// tokenizer_config.json where the folder has them, as transformers' RobertaTokenizer reads them.
TokenizerSpec ReadVocabAndMerges(const std::filesystem::path& folder);

// Parses a line of merges.txt: two tokens separated by a space. Returns nothing for any other line.
std::optional<std::pair<std::string, std::string>> ParseMerge(const std::string& line);

// Florence-2's location and task tokens in the order its processor adds them.
std::vector<std::string> Florence2Tokens();

// Formats a token for messages: quoted, escaped and shortened.
std::string QuoteToken(const std::string& token);

}  // namespace uffizi

#endif  // UFFIZI_TEXT_TOKENIZER_SPEC_H_
