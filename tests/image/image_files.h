#ifndef UFFIZI_TESTS_IMAGE_IMAGE_FILES_H_
#define UFFIZI_TESTS_IMAGE_IMAGE_FILES_H_

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/mapped_file.h"
#include "uffizi/image.h"

namespace uffizi::testing {

inline std::filesystem::path ImageFile(const std::string& name) {
  return std::filesystem::path(UFFIZI_TEST_DATA) / "image" / name;
}

// One line of cases.txt; see tests/golden/make_image.py.
struct DecodeCase {
  std::string file, expected, options;
  int tolerance = 0;
};

inline std::vector<DecodeCase> DecodeCases() {
  std::ifstream in(ImageFile("cases.txt"));
  std::vector<DecodeCase> cases;
  DecodeCase one;
  while (in >> one.file >> one.expected >> one.tolerance >> one.options) cases.push_back(one);
  return cases;
}

// The greatest difference of two values; 256 if the sizes differ.
inline int MaxDifference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.pixels.size() != b.pixels.size()) return 256;
  int most = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    most = std::max(most, std::abs(a.pixels[i] - b.pixels[i]));
  }
  return most;
}

inline Image Plain(int width, int height, uint8_t red, uint8_t green, uint8_t blue) {
  Image image{width, height, {}};
  image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    image.pixels[i] = red;
    image.pixels[i + 1] = green;
    image.pixels[i + 2] = blue;
  }
  return image;
}

inline std::span<const uint8_t> Bytes(const std::string& content) {
  return {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
}

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_IMAGE_IMAGE_FILES_H_
