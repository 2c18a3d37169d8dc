// A zip: nothing is written outside the folder or beyond the limit.

#include "fuzz/harness.h"
#include "import/zip_archive.h"

namespace fs = std::filesystem;
using namespace uffizi;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kMaxBytes = 8 << 20;
  const fs::path zip = fuzz::WriteScratch("x.zip", fuzz::AsText(data, size));
  const fs::path out = fuzz::Scratch() / "in" / "out";
  fuzz::Guard([&] {
    IsZip(zip);
    Unzip(zip, out, kMaxBytes);
  });
  uint64_t bytes = 0;
  if (fs::exists(out)) {
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      fuzz::Require(!entry.is_symlink(), "a link was unpacked");
      if (entry.is_regular_file()) bytes += entry.file_size();
    }
  }
  fuzz::Require(bytes <= kMaxBytes, "more was unpacked than allowed");
  for (const auto& entry : fs::directory_iterator(fuzz::Scratch())) {
    const fs::path name = entry.path().filename();
    fuzz::Require(name == "x.zip" || name == "in", "a member left the folder");
  }
  fs::remove_all(fuzz::Scratch() / "in");
  return 0;
}
