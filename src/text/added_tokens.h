#ifndef UFFIZI_TEXT_ADDED_TOKENS_H_
#define UFFIZI_TEXT_ADDED_TOKENS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "text/bpe.h"
#include "text/pair_map.h"
#include "text/tokenizer_spec.h"

namespace uffizi {

// Tokens that are searched for in the text itself, with ids inside or beyond the vocabulary.
class AddedTokens {
 public:
  // Assigns ids: the vocabulary's id, or the next one after the vocabulary's size and the highest
  // id added before this call. As in the library, an id that a file gives for the token is ignored.
  void Add(const std::vector<AddedToken>& tokens, const Bpe& bpe);

  struct Piece {
    std::string_view text;
    int id;  // of the added token that the text is; -1: ordinary text
  };
  // Splits the text at the added tokens: first at all that are not `normalized`, then the rest at
  // the others. If several begin at the same place, the longest wins. No piece is empty.
  std::vector<Piece> Split(std::string_view text) const;

  int id_end() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + 1; }
  std::optional<int> TokenToId(const std::string& token) const;
  const AddedToken* Find(int id) const;
  // By the text, as in the library: a vocabulary token of the same text is special, too.
  bool IsSpecial(const std::string& token) const { return special_.contains(token); }

 private:
  // The tokens' bytes as a tree from node 0.
  struct Trie {
    PairMap<int> edges;           // (node, byte) -> node
    std::vector<int> ids = {-1};  // by node; -1: no token ends here
    bool begins_with[256] = {};   // some token

    void Add(const std::string& content, int id);
    // The longest token that begins at text[at], with its length; id -1 if there is none.
    Piece LongestAt(std::string_view text, size_t at) const;
  };

  void SplitBy(const Trie& trie, std::string_view text, std::vector<Piece>& pieces) const;

  std::map<int, AddedToken> by_id_;
  std::map<std::string, int> by_content_;
  std::unordered_set<std::string> special_;
  Trie raw_, normalized_;
};

}  // namespace uffizi

#endif  // UFFIZI_TEXT_ADDED_TOKENS_H_
