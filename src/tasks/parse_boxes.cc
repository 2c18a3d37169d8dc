#include "tasks/grounding_stop_phrases.h"
#include "tasks/parsers.h"
#include "tasks/phrases.h"
#include "tasks/region_score.h"

namespace uffizi {
namespace {

constexpr size_t kLocationsPerBox = 4;

// `words` is the probability of the label.
void AppendBoxes(const std::string& label, double words, MarkRun locations, PictureSize size,
                 std::vector<Region>& regions) {
  for (; locations.size() >= kLocationsPerBox; locations = locations.subspan(kLocationsPerBox)) {
    Region& region = regions.emplace_back();
    region.label = label;
    region.box = size.ToBox(locations.first(kLocationsPerBox));
    region.score = RegionScore(words, locations.first(kLocationsPerBox));
  }
}

}  // namespace

std::vector<Region> ParseBoxes(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const Phrase& phrase : FindPhrases(answer, /*locations_only=*/true)) {
    if (const auto label = Label(phrase.words)) {
      AppendBoxes(AsciiOnly(*label), answer.WordsProbability(phrase.marks), phrase.marks, size,
                  regions);
    }
  }
  return regions;
}

std::vector<Region> ParseGrounding(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const Phrase& phrase : FindPhrases(answer, /*locations_only=*/true)) {
    const auto label = Label(phrase.words);
    if (label && !IsGroundingStopPhrase(*label)) {
      AppendBoxes(AsciiOnly(*label), answer.WordsProbability(phrase.marks), phrase.marks, size,
                  regions);
    }
  }
  return regions;
}

std::vector<Region> ParseProposals(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const MarkRun run : FindBareMarks(answer, /*locations_only=*/true)) {
    AppendBoxes("", 1, run, size, regions);
  }
  return regions;
}

}  // namespace uffizi
