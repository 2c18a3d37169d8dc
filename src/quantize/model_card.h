#ifndef UFFIZI_QUANTIZE_MODEL_CARD_H_
#define UFFIZI_QUANTIZE_MODEL_CARD_H_

#include <filesystem>
#include <string>

namespace uffizi {

inline constexpr const char* kCardFile = "README.md";

// A model card for a folder made from the model of `source`: that model's own card with `section`
// (Markdown) put before its text, or `section` alone. It ends in a mark by which IsOwnCard() knows
// it. Throws Error(kIo) if a card is there that cannot be read.
std::string MakeModelCard(const std::filesystem::path& source, const std::string& section);

// Whether the file is a card that MakeModelCard() made, and that nobody has changed since.
bool IsOwnCard(const std::filesystem::path& file);

}  // namespace uffizi

#endif  // UFFIZI_QUANTIZE_MODEL_CARD_H_
