// The mutator for graphs: every other mutation keeps them valid XML.

#include <algorithm>
#include <cstring>

#include "fuzz/harness.h"
#include "fuzz/ir_mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  std::mt19937 random(seed);
  if (size < 2 || random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string_view bin = uffizi::fuzz::AsText(data, size).substr(1);
  const std::string_view xml = uffizi::fuzz::TakePart(bin);
  std::string changed(1, static_cast<char>(data[0]));
  changed += uffizi::fuzz::MutateIr(xml, random);
  changed += '\0';
  changed += bin;
  const size_t kept = std::min(changed.size(), max_size);
  std::memcpy(data, changed.data(), kept);
  return kept;
}
