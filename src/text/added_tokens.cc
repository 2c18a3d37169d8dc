#include "text/added_tokens.h"

#include <algorithm>

#include "core/utf8.h"
#include "text/unicode.h"

namespace uffizi {
namespace {

bool IsSpace(Utf8Char c) { return ClassOf(c.code) == CharClass::kSpace; }

// Whether text[begin, end) is not next to a word character.
bool StandsAlone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWord(ClassOf(CharBefore(text, begin).code))) return false;
  return end == text.size() || !IsWord(ClassOf(CharAt(text, end).code));
}

// Where the white space that ends before text[end] begins, not before `limit`.
size_t SpaceBegin(std::string_view text, size_t limit, size_t end) {
  while (end > limit) {
    const Utf8Char c = CharBefore(text, end);
    if (!IsSpace(c)) break;
    end -= c.length;
  }
  return end;
}

size_t SpaceEnd(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const Utf8Char c = CharAt(text, begin);
    if (!IsSpace(c)) break;
    begin += c.length;
  }
  return begin;
}

}  // namespace

void AddedTokens::Trie::Add(const std::string& content, int id) {
  begins_with[static_cast<uint8_t>(content[0])] = true;
  int node = 0;
  for (const char c : content) {
    int& child = edges(node, static_cast<uint8_t>(c));
    if (child == 0) {
      child = static_cast<int>(ids.size());
      ids.push_back(-1);
    }
    node = child;
  }
  ids[static_cast<size_t>(node)] = id;
}

AddedTokens::Piece AddedTokens::Trie::LongestAt(std::string_view text, size_t at) const {
  Piece longest = {{}, -1};
  if (!begins_with[static_cast<uint8_t>(text[at])]) return longest;
  int node = 0;
  for (size_t end = at; end < text.size();) {
    const int* child = edges.Find(node, static_cast<uint8_t>(text[end]));
    if (child == nullptr) break;
    node = *child;
    ++end;
    if (ids[static_cast<size_t>(node)] >= 0) {
      longest = {text.substr(at, end - at), ids[static_cast<size_t>(node)]};
    }
  }
  return longest;
}

void AddedTokens::Add(const std::vector<AddedToken>& tokens, const Bpe& bpe) {
  int next_id = std::max(static_cast<int>(bpe.size()), id_end());
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    std::optional<int> id = TokenToId(token.content);
    if (!id) id = bpe.TokenToId(token.content);
    if (!id) id = next_id++;
    by_content_[token.content] = *id;
    by_id_[*id] = token;
    if (token.special) special_.insert(token.content);
  }
  raw_ = normalized_ = Trie();
  for (const auto& [id, token] : by_id_) {
    (token.normalized ? normalized_ : raw_).Add(token.content, id);
  }
}

std::optional<int> AddedTokens::TokenToId(const std::string& token) const {
  const auto found = by_content_.find(token);
  if (found == by_content_.end()) return std::nullopt;
  return found->second;
}

const AddedToken* AddedTokens::Find(int id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

void AddedTokens::SplitBy(const Trie& trie, std::string_view text,
                          std::vector<Piece>& pieces) const {
  size_t done = 0;  // text before it is in `pieces`
  const auto push_text_to = [&](size_t end) {
    if (done < end) pieces.push_back({text.substr(done, end - done), -1});
  };
  for (size_t at = 0; at < text.size();) {
    const Piece found = trie.LongestAt(text, at);
    if (found.id < 0) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + found.text.size();
    at = end;
    const AddedToken& token = by_id_.at(found.id);
    if (token.single_word && !StandsAlone(text, begin, end)) continue;
    if (token.lstrip) begin = SpaceBegin(text, std::min(done, begin), begin);
    if (token.rstrip) end = SpaceEnd(text, end);
    push_text_to(begin);
    pieces.push_back({found.text, found.id});
    done = end;
  }
  push_text_to(text.size());
}

std::vector<AddedTokens::Piece> AddedTokens::Split(std::string_view text) const {
  std::vector<Piece> first, pieces;
  SplitBy(raw_, text, first);
  for (const Piece& piece : first) {
    if (piece.id >= 0) {
      pieces.push_back(piece);
    } else {
      SplitBy(normalized_, piece.text, pieces);
    }
  }
  return pieces;
}

}  // namespace uffizi
