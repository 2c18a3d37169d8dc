#include <algorithm>

#include "tasks/parsers.h"
#include "tasks/phrases.h"
#include "tasks/region_score.h"

namespace uffizi {
namespace {

using Kind = Mark::Kind;

bool Has(MarkRun marks, Kind kind) {
  return std::any_of(marks.begin(), marks.end(), [&](const Mark& m) { return m.kind == kind; });
}

// The first mark of `kind` at or after `from`, or marks.size().
size_t Find(MarkRun marks, Kind kind, size_t from) {
  while (from < marks.size() && marks[from].kind != kind) ++from;
  return from;
}

// A label and its probability.
struct Words {
  std::string_view label;
  double probability;
};

// Appends the instance formed by `marks`, unless no polygon in it ends properly. Locations count
// only if a <sep> or the end of the instance follows.
void AppendInstance(const Words& words, MarkRun marks, PictureSize size,
                    std::vector<Region>& regions) {
  Region region;
  std::vector<Mark> used;
  while (!marks.empty()) {
    MarkRun locations = TouchingMarks(marks, /*locations_only=*/true);
    marks = marks.subspan(std::max<size_t>(locations.size(), 1));
    if (locations.empty()) continue;
    if (!marks.empty() && marks.front().kind != Kind::kSeparator) continue;
    region.polygons.push_back(size.ToPolygon(locations));
    locations = locations.first(locations.size() / 2 * 2);
    used.insert(used.end(), locations.begin(), locations.end());
  }
  if (region.polygons.empty()) return;
  region.label = words.label;
  region.score = RegionScore(words.probability, used);
  regions.push_back(std::move(region));
}

// Appends every instance of a run of marks.
void AppendInstances(const Words& words, MarkRun marks, PictureSize size,
                     std::vector<Region>& regions) {
  if (!Has(marks, Kind::kPolygonBegin) || !Has(marks, Kind::kPolygonEnd)) {
    AppendInstance(words, marks, size, regions);
    return;
  }
  size_t begin = Find(marks, Kind::kPolygonBegin, 0);
  while (begin < marks.size()) {
    const size_t end = Find(marks, Kind::kPolygonEnd, begin);
    if (end == marks.size()) return;
    AppendInstance(words, marks.subspan(begin + 1, end - begin - 1), size, regions);
    begin = Find(marks, Kind::kPolygonBegin, end);
  }
}

// The label is the text between `begin` and the first location or <poly> of `marks`. Without
// either, there is no label and no instance. In a valid answer the label is the phrase's words; in
// a damaged one it may end with a stray "<sep>" or "</poly>", which the processor keeps.
std::optional<std::string_view> LabelBefore(std::string_view text, size_t begin, MarkRun marks) {
  const auto found = std::find_if(marks.begin(), marks.end(), [](const Mark& mark) {
    return mark.kind == Kind::kLocation || mark.kind == Kind::kPolygonBegin;
  });
  if (found == marks.end()) return std::nullopt;
  return Label(text.substr(begin, found->begin - begin));
}

}  // namespace

std::vector<Region> ParseBarePolygons(const AnswerText& answer, PictureSize size) {
  std::vector<Region> regions;
  for (const MarkRun run : FindBareMarks(answer, /*locations_only=*/false)) {
    // The processor searches for the label after the first location.
    const size_t skipped = run.front().kind == Kind::kLocation ? 1 : 0;
    const MarkRun rest = run.subspan(skipped);
    if (const auto label = LabelBefore(answer.text(), rest.front().begin, rest)) {
      AppendInstances({*label, 1}, run, size, regions);
    }
  }
  return regions;
}

std::vector<Region> ParseLabelledPolygons(const AnswerText& answer, PictureSize size) {
  const std::string_view text = answer.text();
  std::vector<Region> regions;
  for (const Phrase& phrase : FindPhrases(answer, /*locations_only=*/false)) {
    const auto begin = static_cast<size_t>(phrase.words.data() - text.data());
    if (const auto label = LabelBefore(text, begin, phrase.marks)) {
      AppendInstances({*label, answer.WordsProbability(phrase.marks)}, phrase.marks, size, regions);
    }
  }
  return regions;
}

}  // namespace uffizi
