// A Hadoop sequence file of Java streams, or one such stream alone.

#include <span>

#include "fuzz/harness.h"
#include "import/java_stream.h"

using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  fuzz::Guard([&] {
    if (fuzz::AsText(data, size).starts_with("SEQ")) {
      ReadSequenceFile("x", bytes,
                       [](std::span<const uint8_t> record) { ParseJavaStream("x", record); });
    } else {
      ParseJavaStream("x", bytes);
    }
  });
  return 0;
}
