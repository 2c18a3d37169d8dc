#include "quantize/model_card.h"

#include <cstdint>
#include <cstdio>
#include <string_view>

#include "core/mapped_file.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFence = "---\n";  // encloses the metadata of a card
constexpr std::string_view kMark = "\n<!-- uffizi quantize ";

// The mark of a text, its FNV-1a hash (RFC 9923), by which changes are detected.
std::string MarkOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(hash));
  std::string mark(kMark);
  mark.append(digits).append(" -->\n");
  return mark;
}

// Removes an older mark of ours from a card.
std::string Unmarked(std::string text) {
  const size_t mark = text.rfind(kMark);
  if (mark != std::string::npos && MarkOf(text.substr(0, mark)) == text.substr(mark)) {
    text.resize(mark);
  }
  return text;
}

}  // namespace

std::string MakeModelCard(const fs::path& source, const std::string& section) {
  std::string front, text;
  if (fs::exists(source / kCardFile)) text = Unmarked(ReadFile(source / kCardFile));
  if (text.starts_with(kFence)) {
    const size_t end = text.find("\n---\n", kFence.size());
    if (end != std::string::npos) {
      front.assign(text, 0, end + 1 + kFence.size()).append("\n");
      text.erase(0, end + 1 + kFence.size());
    }
  }
  while (text.starts_with("\n")) text.erase(0, 1);
  std::string card = front + section;
  if (!text.empty()) card += "\n---\n\nThe model card of the original model:\n\n" + text;
  return card + MarkOf(card);
}

bool IsOwnCard(const fs::path& file) {
  if (!fs::is_regular_file(fs::symlink_status(file))) return false;
  const std::string text = ReadFile(file);
  return Unmarked(text) != text;
}

}  // namespace uffizi
