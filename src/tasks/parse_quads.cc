#include "tasks/parsers.h"
#include "tasks/region_score.h"
#include "tasks/strings.h"

namespace uffizi {
namespace {

constexpr size_t kLocationsPerQuad = 8;

}  // namespace

std::vector<Region> ParseQuads(const AnswerText& answer, PictureSize size) {
  const std::string_view text = answer.text();
  std::vector<Region> regions;
  size_t begin = 0;  // of the words of the next quad
  std::span<const Mark> marks = answer.marks();
  while (!marks.empty()) {
    const MarkRun run = TouchingMarks(marks, /*locations_only=*/true);
    if (run.size() < kLocationsPerQuad) {
      marks = marks.subspan(run.empty() ? 1 : run.size());
      continue;
    }
    // The quad may begin at any location that is followed by seven more. Its words have at least
    // one character and are on one line.
    const std::string_view before = text.substr(begin, run.front().begin - begin);
    if (const size_t newline = before.rfind('\n'); newline != std::string_view::npos) {
      begin += newline + 1;
    }
    const size_t first = begin < run.front().begin ? 0 : 1;
    if (first + kLocationsPerQuad > run.size()) {
      marks = marks.subspan(run.size());
      continue;
    }
    const MarkRun quad = run.subspan(first, kLocationsPerQuad);
    Region& region = regions.emplace_back();
    region.label = Strip(text.substr(begin, quad.front().begin - begin));
    region.quad = size.ToPolygon(quad);
    region.score = RegionScore(answer.WordsProbability(quad), quad);
    begin = quad.back().end;
    marks = marks.subspan(first + kLocationsPerQuad);
  }
  return regions;
}

}  // namespace uffizi
