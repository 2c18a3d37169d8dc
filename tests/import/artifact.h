#ifndef UFFIZI_TESTS_MODELS_ARTIFACT_H_
#define UFFIZI_TESTS_MODELS_ARTIFACT_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "import/zip_archive.h"

namespace uffizi::testing {

inline const std::filesystem::path kModelsData = UFFIZI_TEST_DATA "/models";
inline const std::filesystem::path kArtifact = kModelsData / "florence_2_tiny_int4.zip";

inline std::string ReadBytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The artifact's graphs as plain X.xml and X.bin, without a tokenizer.
inline void UnpackGraphs(const std::filesystem::path& folder) {
  const std::filesystem::path saved = folder / "saved";
  Unzip(kArtifact, saved);
  for (const char* name : {"image_embedding", "text_embedding", "encoder", "decoder"}) {
    const std::filesystem::path graph = saved / (std::string(name) + ".xml");
    std::filesystem::copy(graph, folder);
  }
}

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_MODELS_ARTIFACT_H_
