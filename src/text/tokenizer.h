#ifndef UFFIZI_TEXT_TOKENIZER_H_
#define UFFIZI_TEXT_TOKENIZER_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// Byte-level BPE, as used by GPT-2, RoBERTa, BART and Florence-2, with the results of Hugging
// Face's `tokenizers`. Immutable and safe to share between threads.
class Tokenizer {
 public:
  // Reads tokenizer.json, or vocab.json + merges.txt (+ added_tokens.json), from a model folder.
  // The 1024 location and task tokens are added if they are missing, as by Florence-2's processor.
  // Throws Error(kInvalidModel) naming the file and the reason.
  static Tokenizer Load(const std::filesystem::path& folder);

  // Converts text to ids. Added tokens inside the text are found as by the library. With
  // `add_special_tokens`, the result is <s> text </s>. Throws Error(kInvalidPrompt) if `text` is
  // not UTF-8.
  std::vector<int> Encode(std::string_view text, bool add_special_tokens = true) const;

  // Converts ids to text. Ids outside the vocabulary are ignored. Invalid UTF-8 becomes U+FFFD.
  std::string Decode(std::span<const int> ids, bool skip_special_tokens = false) const;

  int vocab_size() const;  // the highest id plus one
  std::optional<int> TokenToId(std::string_view token) const;
  std::string IdToToken(int id) const;  // as in the vocabulary file; "" if there is none
  // N for the id of "<loc_N>", otherwise nothing.
  std::optional<int> LocationBin(int id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace uffizi

#endif  // UFFIZI_TEXT_TOKENIZER_H_
