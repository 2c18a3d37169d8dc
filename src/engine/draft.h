#ifndef UFFIZI_ENGINE_DRAFT_H_
#define UFFIZI_ENGINE_DRAFT_H_

#include <cstddef>
#include <span>
#include <vector>

#include "generate/generation_config.h"
#include "text/tokenizer.h"
#include "uffizi/task.h"

namespace uffizi {

// Guesses the next tokens of an answer that copies its prompt: labels, which are phrases of the
// prompt in their order, or the region. Guesses are checked, so a wrong one only costs time.
class Draft {
 public:
  // Guesses nothing.
  Draft() = default;
  Draft(const Tokenizer& tokenizer, const LocationTokens& locations, const Prompt& prompt);

  // Takes the answer's next token.
  void Append(int token);
  // The tokens that probably follow, at most `most`; often none. Valid until the next call.
  std::span<const int> Next(size_t most);

 private:
  struct Word {
    int token;        // kBreak for punctuation
    int first;        // the same as it begins a label, without a leading space
    bool is_article;  // which begins a label
  };

  // Whether a label probably begins at words_[at].
  bool BeginsLabel(size_t at) const;

  std::vector<Word> words_;  // of the prompt's input
  bool has_articles_ = false;
  LocationTokens locations_;
  size_t next_ = 0;         // index of the word after the last one that was copied
  bool copying_ = false;    // whether the answer's last token was
  size_t since_label_ = 0;  // locations at the end of the answer
  size_t length_ = 0;       // of the answer, <s> included
  std::vector<int> guess_;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_DRAFT_H_
