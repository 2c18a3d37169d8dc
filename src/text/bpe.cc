#include "text/bpe.h"

#include <algorithm>

#include "text/byte_level.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

// Comparison for the standard heap functions, which keep the greatest element in front.
bool IsWorse(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

Bpe::Bpe(const TokenizerSpec& spec)
    : merges_(spec.merges.size()), fuse_unk_(spec.fuse_unk), ignore_merges_(spec.ignore_merges) {
  const auto fail = [&spec](const std::string& reason) {
    throw Error(ErrorCode::kInvalidModel, spec.vocab_file + ": " + reason);
  };
  if (spec.vocab.empty()) fail("the vocabulary is empty");
  vocab_.reserve(spec.vocab.size());
  int highest = 0;
  for (const auto& [token, id] : spec.vocab) {
    if (id < 0 || id > kMaxTokenId) fail("the id of " + QuoteToken(token) + " is out of range");
    vocab_.emplace(token, id);
    highest = std::max(highest, id);
  }
  tokens_.assign(static_cast<size_t>(highest) + 1, nullptr);
  for (const auto& [token, id] : vocab_) {
    const std::string*& slot = tokens_[static_cast<size_t>(id)];
    if (slot != nullptr) {
      fail(QuoteToken(token) + " and " + QuoteToken(*slot) + " have the same id");
    }
    slot = &token;
  }
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = TokenToId(ByteToToken(static_cast<uint8_t>(byte))).value_or(-1);
  }
  if (spec.unk_token) {
    const std::optional<int> id = TokenToId(*spec.unk_token);
    if (!id) fail("unk_token " + QuoteToken(*spec.unk_token) + " is not in the vocabulary");
    unk_id_ = *id;
  }
  AddMerges(spec);
}

void Bpe::AddMerges(const TokenizerSpec& spec) {
  const auto id_of = [this, &spec](const std::string& token, size_t rank) {
    const std::optional<int> id = TokenToId(token);
    if (!id) {
      throw Error(ErrorCode::kInvalidModel, spec.merges_file + ": merge " + std::to_string(rank) +
                                                ": " + QuoteToken(token) +
                                                " is not in the vocabulary");
    }
    return *id;
  };
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const int left_id = id_of(left, rank), right_id = id_of(right, rank);
    merges_(left_id, right_id) = {static_cast<int>(rank), id_of(left + right, rank)};
  }
}

std::optional<int> Bpe::TokenToId(std::string_view token) const {
  const auto found = vocab_.find(token);
  if (found == vocab_.end()) return std::nullopt;
  return found->second;
}

const std::string* Bpe::IdToToken(int id) const {
  return id < 0 || id >= id_end() ? nullptr : tokens_[static_cast<size_t>(id)];
}

void Bpe::FillSymbols(std::string_view word, Scratch& scratch) const {
  scratch.symbols.clear();
  bool after_unk = false;
  for (const char c : word) {
    int id = byte_ids_[static_cast<uint8_t>(c)];
    const bool is_unk = id < 0;
    if (is_unk) {
      if (unk_id_ < 0 || (after_unk && fuse_unk_)) continue;
      id = unk_id_;
    }
    after_unk = is_unk;
    const int index = static_cast<int>(scratch.symbols.size());
    scratch.symbols.push_back({id, index - 1, index + 1, false});
  }
  if (!scratch.symbols.empty()) scratch.symbols.back().next = -1;
}

void Bpe::QueuePair(int left, Scratch& scratch) const {
  if (left < 0) return;
  const Scratch::Symbol& symbol = scratch.symbols[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const Merge* merge =
      merges_.Find(symbol.id, scratch.symbols[static_cast<size_t>(symbol.next)].id);
  if (merge != nullptr) scratch.heap.push_back({merge->rank, left, merge->id});
}

void Bpe::Encode(std::string_view word, Scratch& scratch, std::vector<int>& ids) const {
  if (ignore_merges_) {
    scratch.token.clear();
    for (const char c : word) scratch.token += ByteToToken(static_cast<uint8_t>(c));
    if (const std::optional<int> id = TokenToId(scratch.token)) {
      ids.push_back(*id);
      return;
    }
  }
  FillSymbols(word, scratch);
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  std::vector<Scratch::Candidate>& heap = scratch.heap;
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) QueuePair(static_cast<int>(i), scratch);
  std::make_heap(heap.begin(), heap.end(), IsWorse);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), IsWorse);
    const Scratch::Candidate best = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (left.merged_away || left.next < 0) continue;
    Scratch::Symbol& right = symbols[static_cast<size_t>(left.next)];
    // A candidate is stale if its pair no longer exists. The library checks only the merged token,
    // so a candidate may also merge another pair that gives the same token.
    const Merge* merge = merges_.Find(left.id, right.id);
    if (merge == nullptr || merge->id != best.id) continue;
    left.id = best.id;
    left.next = right.next;
    right.merged_away = true;
    if (right.next >= 0) symbols[static_cast<size_t>(right.next)].previous = best.left;
    for (const int pair : {left.previous, best.left}) {
      const size_t before = heap.size();
      QueuePair(pair, scratch);
      if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), IsWorse);
    }
  }
  for (const Scratch::Symbol& symbol : symbols) {
    if (!symbol.merged_away) ids.push_back(symbol.id);
  }
}

}  // namespace uffizi
