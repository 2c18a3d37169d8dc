// A table or an archive of pictures: by the first byte, a CSV, a tar or a compressed tar.

#include "dataset/source.h"
#include "fuzz/harness.h"

using namespace uffizi;

namespace {

void ReadAll(dataset::Source& source) {
  constexpr size_t kMaxBytes = 1 << 20, kMaxPictures = 1000;
  dataset::PictureRef picture;
  for (size_t i = 0; i < kMaxPictures && source.Next(picture); ++i) {
    fuzz::Require(picture.stem.is_relative(), "a stem that begins at the root");
    for (const auto& part : picture.stem) fuzz::Require(part != "..", "a stem that leads up");
    // The contents of other files are not tested here.
    if (picture.error || !picture.file.empty()) continue;
    fuzz::Guard([&] {
      fuzz::Require(source.Read(kMaxBytes).size() <= kMaxBytes, "a picture over the limit");
    });
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view content = fuzz::AsText(data, size).substr(1);
  fuzz::Guard([&] {
    if (data[0] == 'c') {
      ReadAll(*dataset::OpenCsv(fuzz::WriteScratch("x.csv", content), "", {}));
    } else {
      ReadAll(*dataset::OpenTar(fuzz::WriteScratch("x.tar", content)));
    }
  });
  return 0;
}
