// tokenizer.json, or vocab.json, merges.txt and added_tokens.json; then a text there and back.

#include "fuzz/harness.h"
#include "text/tokenizer.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input = fuzz::AsText(data, size);
  const std::string text(fuzz::TakePart(input));
  for (const char* name : {"tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json"}) {
    std::filesystem::remove(fuzz::Scratch() / name);
    const std::string_view content = fuzz::TakePart(input);
    if (!content.empty()) fuzz::WriteScratch(name, content);
  }
  fuzz::Guard([&] {
    const Tokenizer tokenizer = Tokenizer::Load(fuzz::Scratch());
    fuzz::Guard([&] {
      const std::vector<int> ids = tokenizer.Encode(text);
      for (const int id : ids) {
        fuzz::Require(id >= 0 && id < tokenizer.vocab_size(), "an id outside the vocabulary");
      }
      tokenizer.Decode(ids);
    });
    tokenizer.Decode(std::vector<int>{-1, 0, 1, 2, 50265, tokenizer.vocab_size(), 1 << 30}, true);
  });
  return 0;
}
