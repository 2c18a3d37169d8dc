#include "engine/answer_agreement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/utf8.h"
#include "tasks/region_outline.h"

namespace uffizi {
namespace {

constexpr double kLeastOverlap = 0.5;
constexpr size_t kMostRegions = 100;   // of a picture, of one label; COCO's maxDets
constexpr size_t kRecallLevels = 101;  // at which precision is averaged

double Area(const Box& box) {
  return std::max(0.0, double{box.x2} - double{box.x1}) *
         std::max(0.0, double{box.y2} - double{box.y1});
}

double Overlap(const Box& a, const Box& b) {
  const Box both{std::max(a.x1, b.x1), std::max(a.y1, b.y1), std::min(a.x2, b.x2),
                 std::min(a.y2, b.y2)};
  const double common = Area(both), all = Area(a) + Area(b) - common;
  if (all > 0) return common / all;
  return a.x1 == b.x1 && a.y1 == b.y1 && a.x2 == b.x2 && a.y2 == b.y2 ? 1.0 : 0.0;
}

// Index of the unmatched true box with the largest overlap; truths.size() if there is none.
size_t BestMatch(const Box& box, const std::vector<Box>& truths, const std::vector<bool>& taken) {
  size_t best = truths.size();
  double most = kLeastOverlap;
  for (size_t t = 0; t < truths.size(); ++t) {
    const double overlap = taken[t] ? 0.0 : Overlap(box, truths[t]);
    if (overlap < most) continue;
    most = overlap;
    best = t;
  }
  return best;
}

std::vector<char32_t> Characters(std::string_view text) {
  const std::string valid = ReplaceInvalidUtf8(text);
  std::vector<char32_t> characters;
  for (size_t at = 0; at < valid.size();) {
    const Utf8Char character = CharAt(valid, at);
    characters.push_back(character.code);
    at += character.length;
  }
  return characters;
}

}  // namespace

void RegionAgreement::Add(const std::vector<Region>& truth, const std::vector<Region>& found,
                          int width, int height) {
  struct OfLabel {
    std::vector<Box> truths;
    std::vector<const Region*> found;
  };
  std::map<std::string, OfLabel> here;
  for (const Region& region : truth) {
    here[region.label].truths.push_back(BoundingBox(region, width, height));
  }
  for (const Region& region : found) here[region.label].found.push_back(&region);
  truths_ += truth.size();
  found_ += found.size();
  for (auto& [name, of_label] : here) {
    std::stable_sort(of_label.found.begin(), of_label.found.end(),
                     [](const Region* a, const Region* b) { return a->score > b->score; });
    if (of_label.found.size() > kMostRegions) of_label.found.resize(kMostRegions);
    Label& label = labels_[name];
    label.truths += of_label.truths.size();
    std::vector<bool> taken(of_label.truths.size());
    for (const Region* region : of_label.found) {
      const size_t match = BestMatch(BoundingBox(*region, width, height), of_label.truths, taken);
      const bool right = match < taken.size();
      if (right) taken[match] = true;
      label.detections.push_back({region->score.value_or(0), right});
    }
  }
}

std::optional<double> RegionAgreement::Ap50() const {
  double sum = 0;
  size_t count = 0;
  for (const auto& [name, label] : labels_) {
    if (label.truths == 0) continue;
    ++count;
    std::vector<Detection> detections = label.detections;
    std::stable_sort(detections.begin(), detections.end(),
                     [](const Detection& a, const Detection& b) { return a.score > b.score; });
    // The best precision at each recall level or above.
    std::array<double, kRecallLevels> precisions{};
    size_t right = 0;
    for (size_t i = 0; i < detections.size(); ++i) {
      if (!detections[i].right) continue;
      ++right;
      const double precision = static_cast<double>(right) / static_cast<double>(i + 1);
      const double recall = static_cast<double>(right) / static_cast<double>(label.truths);
      for (size_t level = 0; level < kRecallLevels; ++level) {
        if (static_cast<double>(level) / (kRecallLevels - 1) > recall) break;
        precisions[level] = std::max(precisions[level], precision);
      }
    }
    sum += std::accumulate(precisions.begin(), precisions.end(), 0.0) / kRecallLevels;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

size_t EditDistance(std::string_view a, std::string_view b) {
  const std::vector<char32_t> from = Characters(a), to = Characters(b);
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

size_t CharacterCount(std::string_view text) { return Characters(text).size(); }

}  // namespace uffizi
