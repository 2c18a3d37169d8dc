#include "tasks/grounding_stop_phrases.h"
#include "tasks/parsers.h"
#include "tasks/phrases.h"

namespace uffizi {
namespace {

constexpr size_t kLocationsPerBox = 4;

void AppendBoxes(const std::string& label, MarkRun locations, PictureSize size,
                 std::vector<Region>& regions) {
  for (; locations.size() >= kLocationsPerBox; locations = locations.subspan(kLocationsPerBox)) {
    Region& region = regions.emplace_back();
    region.label = label;
    region.box = size.ToBox(locations.first(kLocationsPerBox));
    region.score = LocationScore(locations.first(kLocationsPerBox));
  }
}

}  // namespace

std::vector<Region> ParseBoxes(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const Phrase& phrase : FindPhrases(answer, /*locations_only=*/true)) {
    if (const auto label = Label(phrase.words)) {
      AppendBoxes(AsciiOnly(*label), phrase.marks, size, regions);
    }
  }
  return regions;
}

std::vector<Region> ParseGrounding(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const Phrase& phrase : FindPhrases(answer, /*locations_only=*/true)) {
    const auto label = Label(phrase.words);
    if (label && !IsGroundingStopPhrase(*label)) {
      AppendBoxes(AsciiOnly(*label), phrase.marks, size, regions);
    }
  }
  return regions;
}

std::vector<Region> ParseProposals(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const MarkRun run : FindBareMarks(answer, /*locations_only=*/true)) {
    AppendBoxes("", run, size, regions);
  }
  return regions;
}

}  // namespace uffizi
