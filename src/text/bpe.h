#ifndef UFFIZI_TEXT_BPE_H_
#define UFFIZI_TEXT_BPE_H_

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pair_map.h"
#include "text/tokenizer_spec.h"

namespace uffizi {

// The vocabulary and its merges: converts a word's bytes to ids.
class Bpe {
 public:
  // Throws Error(kInvalidModel) naming the file if the tokens are inconsistent.
  explicit Bpe(const TokenizerSpec& spec);
  Bpe(const Bpe&) = delete;  // tokens_ points into vocab_
  Bpe& operator=(const Bpe&) = delete;

  // Buffers of Encode(), which are reused from word to word.
  struct Scratch;

  // Appends the word's ids. Pairs are merged best first, the leftmost of equals first. A byte that
  // the vocabulary lacks becomes unk_token, or nothing if there is none. Takes O(n log n) in the
  // word's size.
  void Encode(std::string_view word, Scratch& scratch, std::vector<int>& ids) const;

  size_t size() const { return vocab_.size(); }
  int id_end() const { return static_cast<int>(tokens_.size()); }  // the highest id plus one
  std::optional<int> TokenToId(std::string_view token) const;
  // Null if there is none.
  const std::string* IdToToken(int id) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Merge {
    int rank;
    int id;  // of the merged token
  };

  void AddMerges(const TokenizerSpec& spec);
  void FillSymbols(std::string_view word, Scratch& scratch) const;
  void QueuePair(int left, Scratch& scratch) const;

  std::unordered_map<std::string, int, Hash, std::equal_to<>> vocab_;
  std::vector<const std::string*> tokens_;  // by id
  std::array<int, 256> byte_ids_;           // -1: not in the vocabulary
  PairMap<Merge> merges_;
  int unk_id_ = -1;
  bool fuse_unk_;
  bool ignore_merges_;
};

struct Bpe::Scratch {
  struct Symbol {
    int id;
    int previous, next;  // -1: none
    bool merged_away;
  };
  struct Candidate {
    int rank;
    int left;  // index of the pair's left symbol
    int id;    // of the token that the pair would become
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;  // best merge first
  std::string token;
};

}  // namespace uffizi

#endif  // UFFIZI_TEXT_BPE_H_
