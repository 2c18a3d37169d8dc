#include "text/tokenizer.h"

#include <algorithm>
#include <limits>

#include "core/utf8.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/byte_level.h"
#include "text/tokenizer_spec.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

// N of "<loc_N>", otherwise -1.
int ParseLocation(std::string_view token) {
  constexpr std::string_view kBegin = "<loc_";
  if (!token.starts_with(kBegin) || !token.ends_with('>')) return -1;
  token.remove_prefix(kBegin.size());
  token.remove_suffix(1);
  if (token.empty() || token.size() > 6 || (token.size() > 1 && token[0] == '0')) return -1;
  int bin = 0;
  for (const char c : token) {
    if (c < '0' || c > '9') return -1;
    bin = bin * 10 + (c - '0');
  }
  return bin;
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(const TokenizerSpec& spec);

  std::optional<int> TokenToId(std::string_view token) const {
    const std::optional<int> id = added.TokenToId(std::string(token));
    return id ? id : bpe.TokenToId(token);
  }
  // Null if there is none.
  const std::string* IdToToken(int id) const {
    const AddedToken* token = added.Find(id);
    return token != nullptr ? &token->content : bpe.IdToToken(id);
  }
  void AddFlorence2Tokens();
  void EncodeText(std::string_view text, Bpe::Scratch& scratch, std::vector<int>& ids) const;

  Bpe bpe;
  AddedTokens added;
  bool add_prefix_space, use_regex;
  std::vector<int> prefix, suffix;
  std::vector<int> bins;  // by id; -1: not a location
};

Tokenizer::Impl::Impl(const TokenizerSpec& spec)
    : bpe(spec),
      add_prefix_space(spec.add_prefix_space),
      use_regex(spec.use_regex),
      prefix(spec.prefix_ids),
      suffix(spec.suffix_ids) {
  added.Add(spec.added_tokens, bpe);
  AddFlorence2Tokens();
  const auto fail = [&spec](const std::string& token) {
    throw Error(ErrorCode::kInvalidModel,
                spec.vocab_file + ": special token " + token + " is not in the vocabulary");
  };
  const auto resolve = [&](const std::vector<std::string>& tokens, std::vector<int>& ids) {
    for (const std::string& token : tokens) {
      const std::optional<int> id = TokenToId(token);
      if (!id) fail(QuoteToken(token));
      ids.push_back(*id);
    }
    for (const int id : ids) {
      if (IdToToken(id) == nullptr) fail(std::to_string(id));
    }
  };
  resolve(spec.prefix_tokens, prefix);
  resolve(spec.suffix_tokens, suffix);
  bins.resize(static_cast<size_t>(std::max(bpe.id_end(), added.id_end())), -1);
  for (size_t id = 0; id < bins.size(); ++id) {
    const std::string* token = IdToToken(static_cast<int>(id));
    if (token != nullptr) bins[id] = ParseLocation(*token);
  }
}

void Tokenizer::Impl::AddFlorence2Tokens() {
  std::vector<AddedToken> missing;
  for (const std::string& content : Florence2Tokens()) {
    if (added.TokenToId(content)) continue;
    AddedToken token;
    token.content = content;
    token.special = true;
    missing.push_back(token);
  }
  if (!missing.empty()) added.Add(missing, bpe);
}

void Tokenizer::Impl::EncodeText(std::string_view text, Bpe::Scratch& scratch,
                                 std::vector<int>& ids) const {
  std::string with_space;
  if (add_prefix_space && !text.starts_with(' ')) {
    with_space = " ";
    with_space += text;
    text = with_space;
  }
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = use_regex ? WordEnd(text, begin) : text.size();
    bpe.Encode(text.substr(begin, end - begin), scratch, ids);
    begin = end;
  }
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::Load(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path file = folder / "tokenizer.json";
  if (std::filesystem::exists(file, ignored)) {
    return Tokenizer(std::make_shared<Impl>(ReadTokenizerJson(file)));
  }
  if (!std::filesystem::exists(folder / "vocab.json", ignored)) {
    throw Error(ErrorCode::kInvalidModel,
                folder.string() +
                    ": contains neither tokenizer.json nor vocab.json with "
                    "merges.txt");
  }
  return Tokenizer(std::make_shared<Impl>(ReadVocabAndMerges(folder)));
}

std::vector<int> Tokenizer::Encode(std::string_view text, bool add_special_tokens) const {
  if (!IsUtf8(text)) throw Error(ErrorCode::kInvalidPrompt, "the text is not valid UTF-8");
  // Positions inside a word are ints.
  if (text.size() >= static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorCode::kInvalidPrompt, "the text is over 2 GB");
  }
  std::vector<int> ids;
  if (add_special_tokens) ids = impl_->prefix;
  Bpe::Scratch scratch;
  for (const AddedTokens::Piece& piece : impl_->added.Split(text)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
    } else {
      impl_->EncodeText(piece.text, scratch, ids);
    }
  }
  if (add_special_tokens) ids.insert(ids.end(), impl_->suffix.begin(), impl_->suffix.end());
  return ids;
}

std::string Tokenizer::Decode(std::span<const int> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const int id : ids) {
    const std::string* token = impl_->IdToToken(id);
    if (token == nullptr || (skip_special_tokens && impl_->added.IsSpecial(*token))) continue;
    AppendTokenBytes(*token, bytes);
  }
  return ReplaceInvalidUtf8(bytes);
}

int Tokenizer::vocab_size() const { return static_cast<int>(impl_->bins.size()); }

std::optional<int> Tokenizer::TokenToId(std::string_view token) const {
  return impl_->TokenToId(token);
}

std::string Tokenizer::IdToToken(int id) const {
  const std::string* token = impl_->IdToToken(id);
  return token == nullptr ? "" : *token;
}

std::optional<int> Tokenizer::LocationBin(int id) const {
  if (id < 0 || id >= vocab_size() || impl_->bins[static_cast<size_t>(id)] < 0) return std::nullopt;
  return impl_->bins[static_cast<size_t>(id)];
}

}  // namespace uffizi
