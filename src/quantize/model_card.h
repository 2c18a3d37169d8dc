#ifndef UFFIZI_QUANTIZE_MODEL_CARD_H_
#define UFFIZI_QUANTIZE_MODEL_CARD_H_

#include <filesystem>
#include <string>

namespace uffizi {

inline constexpr const char* kCardFile = "README.md";

// A model card for a folder made from the model of `source`: `section` (Markdown) followed by the
// text of that model's own card, if it has one. It ends with a mark by which IsOwnCard() recognizes
// it. Throws Error(kIo) if an existing card cannot be read.
std::string MakeModelCard(const std::filesystem::path& source, const std::string& section);

// Whether the file is a card made by MakeModelCard() and not changed since.
bool IsOwnCard(const std::filesystem::path& file);

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_MODEL_CARD_H_
