#include "dataset/ppm_stream.h"

#include <charconv>
#include <string_view>

#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

constexpr size_t kMaxHeader = 64;  // bytes

[[noreturn]] void Refuse() {
  throw Error(ErrorCode::kInvalidImage, "ffmpeg did not write an 8-bit PPM picture");
}

// Removes a number and the space behind it.
size_t TakeNumber(std::string_view& header) {
  size_t number = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), number);
  if (error != std::errc()) Refuse();
  header.remove_prefix(static_cast<size_t>(end - header.data()));
  if (header.empty() || (header[0] != ' ' && header[0] != '\n')) Refuse();
  header.remove_prefix(1);
  return number;
}

}  // namespace

std::string NextPpm(const ReadBytes& read, size_t max_pixels) {
  std::string frame;
  for (size_t spaces = 0; spaces < 4;) {  // "P6\n640 480\n255\n"
    char byte = 0;
    if (read(&byte, 1) == 0) return "";
    frame += byte;
    if (byte == '\n' || byte == ' ') ++spaces;
    if (frame.size() > kMaxHeader) Refuse();
  }
  std::string_view header = frame;
  if (!header.starts_with("P6\n")) Refuse();
  header.remove_prefix(3);
  const size_t width = TakeNumber(header), height = TakeNumber(header);
  if (width == 0 || height == 0 || TakeNumber(header) != 255) Refuse();
  if (height > max_pixels / width) {
    throw Error(ErrorCode::kImageTooLarge,
                "frames of " + std::to_string(width) + "x" + std::to_string(height) + " pixels");
  }
  const size_t begin = frame.size(), bytes = 3 * width * height;
  frame.resize(begin + bytes);
  return read(frame.data() + begin, bytes) == bytes ? frame : "";
}

}  // namespace uffizi::dataset
