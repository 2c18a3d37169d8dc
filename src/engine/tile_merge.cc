#include "engine/tile_merge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace uffizi {
namespace {

constexpr float kSameThing = 0.5f;  // intersection over the smaller area
constexpr float kSamePlace =
    0.7f;  // intersection over union: the same object, even with other labels
// Regions from the whole picture are used only if they are larger than this fraction of a tile's
// side.
constexpr float kLargeThing = 0.6f;
constexpr float kEdge =
    0.012f;  // of a tile's side: a region that ends this close to the edge is cut

// The default of RegionFilter::min_score: objects are more likely right than wrong. Each tile is a
// chance for a false box, which also displaces parts of what is there. Sentences and lines of words
// have low scores even if they are right.
float LeastScore(Task task) {
  switch (task) {
    case Task::kObjectDetection:
    case Task::kRegionProposal:
    case Task::kOpenVocabularyDetection:
      return 0.5f;
    default:
      return 0;
  }
}

// A region in coordinates of the whole picture, with the sides on which its tile cuts it.
struct Piece {
  Region region;
  Box box;  // around it, corners in order
  size_t part = 0, order = 0;
  bool whole = false;  // seen in the whole picture
  bool left = false, top = false, right = false, bottom = false;
  bool cut() const { return left || top || right || bottom; }

  // Whether it lies within a tile and away from the tile's inner edges, so that the tile sees more
  // of the object.
  bool Within(const TileRect& tile) const {
    const float margin_x = kEdge * static_cast<float>(tile.width);
    const float margin_y = kEdge * static_cast<float>(tile.height);
    const auto x = static_cast<float>(tile.left), y = static_cast<float>(tile.top);
    return box.x1 >= x + margin_x && box.y1 >= y + margin_y &&
           box.x2 <= x + static_cast<float>(tile.width) - margin_x &&
           box.y2 <= y + static_cast<float>(tile.height) - margin_y;
  }
};

void ForEachPoint(Region& region, const auto& change) {
  change(region.box.x1, region.box.y1);
  change(region.box.x2, region.box.y2);
  for (size_t i = 0; i + 1 < region.quad.size(); i += 2) change(region.quad[i], region.quad[i + 1]);
  for (Polygon& polygon : region.polygons) {
    for (size_t i = 0; i + 1 < polygon.size(); i += 2) change(polygon[i], polygon[i + 1]);
  }
}

Box Around(Region region) {
  const bool has_box = region.quad.empty() && region.polygons.empty();
  if (!has_box) region.box = {};
  constexpr float kFar = std::numeric_limits<float>::max();
  Box box{kFar, kFar, -kFar, -kFar};
  size_t seen = 0;
  ForEachPoint(region, [&](float x, float y) {
    if (!has_box && seen++ < 2) return;  // skip: it has no box
    box = {std::min(box.x1, x), std::min(box.y1, y), std::max(box.x2, x), std::max(box.y2, y)};
  });
  return box;
}

Piece MakePiece(Region region, const std::optional<TileRect>& tile, size_t part, int width,
                int height) {
  Piece piece;
  piece.part = part;
  piece.whole = !tile;
  if (tile) {
    const auto left = static_cast<float>(tile->left), top = static_cast<float>(tile->top);
    ForEachPoint(region, [&](float& x, float& y) {
      x += left;
      y += top;
    });
  }
  piece.box = Around(region);
  if (tile) {
    const Box& box = piece.box;
    const auto near = [](float edge, float side, float at) {
      return std::abs(edge - at) <= kEdge * side;
    };
    const auto left = static_cast<float>(tile->left), top = static_cast<float>(tile->top);
    const auto w = static_cast<float>(tile->width), h = static_cast<float>(tile->height);
    piece.left = tile->left > 0 && near(left, w, box.x1);
    piece.top = tile->top > 0 && near(top, h, box.y1);
    piece.right = tile->left + tile->width < width && near(left + w, w, box.x2);
    piece.bottom = tile->top + tile->height < height && near(top + h, h, box.y2);
  }
  piece.region = std::move(region);
  return piece;
}

float Overlap(float a1, float a2, float b1, float b2) {
  return std::max(0.0f, std::min(a2, b2) - std::max(a1, b1));
}
float Area(const Box& box) { return std::max(1.0f, (box.x2 - box.x1) * (box.y2 - box.y1)); }

// The overlap of two spans as a fraction of the shorter one.
float Share(float a1, float a2, float b1, float b2) {
  return Overlap(a1, a2, b1, b2) / std::max(1.0f, std::min(a2 - a1, b2 - b1));
}

class Merger {
 public:
  Merger(Task task, std::vector<Piece> pieces)
      : words_(GetTaskInfo(task).shape == AnswerShape::kQuads || task == Task::kOcr),
        unnamed_(task == Task::kRegionProposal),
        pieces_(std::move(pieces)) {}

  std::vector<Piece> Run() {
    for (size_t i = 0; i < pieces_.size(); ++i) pieces_[i].order = i;
    std::stable_sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) {
      // The higher score first.
      return std::tuple(a.cut(), a.whole, b.region.score) <
             std::tuple(b.cut(), b.whole, a.region.score);
    });
    std::vector<Piece> kept;
    for (Piece& piece : pieces_) Add(std::move(piece), kept);
    // Joined pieces have grown and may now meet others.
    for (bool changed = true; changed;) {
      const size_t before = kept.size();
      std::vector<Piece> again;
      for (Piece& piece : kept) Add(std::move(piece), again);
      kept = std::move(again);
      changed = kept.size() != before;
    }
    std::sort(kept.begin(), kept.end(),
              [](const Piece& a, const Piece& b) { return a.order < b.order; });
    return kept;
  }

 private:
  void Add(Piece piece, std::vector<Piece>& kept) const {
    for (Piece& other : kept) {
      if (!SameThing(other, piece)) continue;
      if (other.cut() && piece.cut()) Join(other, piece);
      return;  // otherwise the other, which came first, wins
    }
    kept.push_back(std::move(piece));
  }

  bool SameThing(const Piece& a, const Piece& b) const {
    if (a.part == b.part) return false;
    const bool same_label = words_ || a.region.label == b.region.label;
    const Box &p = a.box, &q = b.box;
    const float columns = Overlap(p.x1, p.x2, q.x1, q.x2), rows = Overlap(p.y1, p.y2, q.y1, q.y2);
    const float common = columns * rows;
    if (common <= 0) return false;
    // Unnamed boxes may be nested where both are valid, so IoU is used.
    const float smaller = unnamed_ ? Area(p) + Area(q) - common : std::min(Area(p), Area(q));
    if (!same_label) {
      // A partly visible object is easily mislabelled; a complete one seldom is.
      if (a.cut() || b.cut()) return common / smaller >= kSameThing;
      return common / (Area(p) + Area(q) - common) >= kSamePlace;
    }
    if (common / smaller >= kSameThing) return true;
    const bool beside = (a.right && b.left) || (a.left && b.right);
    const bool above = (a.bottom && b.top) || (a.top && b.bottom);
    return (beside && Share(p.y1, p.y2, q.y1, q.y2) >= kSameThing) ||
           (above && Share(p.x1, p.x2, q.x1, q.x2) >= kSameThing);
  }

  void Join(Piece& a, const Piece& b) const {
    if (words_) a.region.label = JoinText(a, b);
    a.left = a.box.x1 <= b.box.x1 ? a.left : b.left;
    a.top = a.box.y1 <= b.box.y1 ? a.top : b.top;
    a.right = a.box.x2 >= b.box.x2 ? a.right : b.right;
    a.bottom = a.box.y2 >= b.box.y2 ? a.bottom : b.bottom;
    a.box = {std::min(a.box.x1, b.box.x1), std::min(a.box.y1, b.box.y1),
             std::max(a.box.x2, b.box.x2), std::max(a.box.y2, b.box.y2)};
    Region& region = a.region;
    if (!words_ && b.region.score > region.score) region.label = b.region.label;
    region.score = std::max(region.score, b.region.score);
    a.order = std::min(a.order, b.order);
    if (!region.quad.empty()) {
      region.quad = {a.box.x1, a.box.y1, a.box.x2, a.box.y1,
                     a.box.x2, a.box.y2, a.box.x1, a.box.y2};
    } else if (!region.polygons.empty()) {
      region.polygons.insert(region.polygons.end(), b.region.polygons.begin(),
                             b.region.polygons.end());
    } else {
      region.box = a.box;
    }
    // It no longer belongs to one tile, and may be joined with pieces of any tile.
    a.part = std::numeric_limits<size_t>::max() - a.order;
  }

  // Joins the texts of two parts of a line; letters that both have appear once.
  static std::string JoinText(const Piece& a, const Piece& b) {
    const bool in_order = a.box.x1 <= b.box.x1;
    const std::string& first = in_order ? a.region.label : b.region.label;
    const std::string& second = in_order ? b.region.label : a.region.label;
    if (first.find(second) != std::string::npos) return first;
    if (second.find(first) != std::string::npos) return second;
    for (size_t common = std::min(first.size(), second.size()); common >= 2; --common) {
      if (first.ends_with(std::string_view(second).substr(0, common))) {
        return first + second.substr(common);
      }
    }
    return first + " " + second;
  }

  bool words_, unnamed_;
  std::vector<Piece> pieces_;
};

// The lines of a page: words whose middles are less than half a word's height apart.
std::vector<std::vector<Piece>> Lines(std::vector<Piece> words) {
  const auto middle = [](const Piece& word) { return (word.box.y1 + word.box.y2) / 2; };
  std::stable_sort(words.begin(), words.end(),
                   [&](const Piece& a, const Piece& b) { return middle(a) < middle(b); });
  std::vector<std::vector<Piece>> lines;
  for (Piece& word : words) {
    const float half = (word.box.y2 - word.box.y1) / 2;
    if (lines.empty() || middle(word) - middle(lines.back().front()) > half) lines.emplace_back();
    lines.back().push_back(std::move(word));
  }
  for (std::vector<Piece>& line : lines) {
    std::stable_sort(line.begin(), line.end(),
                     [](const Piece& a, const Piece& b) { return a.box.x1 < b.box.x1; });
  }
  return lines;
}

// Adds words in reading order.
void AddWords(std::vector<Piece> words, Task task, Answer& answer) {
  for (std::vector<Piece>& line : Lines(std::move(words))) {
    if (task == Task::kOcr && !answer.text.empty()) answer.text += '\n';
    for (size_t i = 0; i < line.size(); ++i) {
      if (task == Task::kOcr) {
        answer.text += (i == 0 ? "" : " ") + line[i].region.label;
      } else {
        answer.regions.push_back(std::move(line[i].region));
      }
    }
  }
}

// Drops regions that another tile, or the tiles instead of the whole picture, see better.
void LeaveOutUseless(const std::vector<TileResult>& parts, std::vector<Piece>& pieces) {
  float tile_width = 0, tile_height = 0;
  for (const TileResult& part : parts) {
    if (!part.tile) continue;
    tile_width = std::max(tile_width, static_cast<float>(part.tile->width));
    tile_height = std::max(tile_height, static_cast<float>(part.tile->height));
  }
  std::erase_if(pieces, [&](const Piece& piece) {
    if (piece.whole) {
      return piece.box.x2 - piece.box.x1 < kLargeThing * tile_width &&
             piece.box.y2 - piece.box.y1 < kLargeThing * tile_height;
    }
    return piece.cut() && std::any_of(parts.begin(), parts.end(), [&](const TileResult& other) {
             return other.tile && piece.Within(*other.tile);
           });
  });
}

void AddTimings(const Timings& some, Timings& all) {
  all.text_encoder += some.text_encoder;
  all.decoder = std::max(all.decoder, some.decoder);  // decoded together
  all.parse += some.parse;
}

}  // namespace

std::optional<Task> TileTask(Task task) {
  switch (task) {
    case Task::kOcr:
    case Task::kOcrWithRegion:
      return Task::kOcrWithRegion;
    case Task::kObjectDetection:
    case Task::kDenseRegionCaption:
    case Task::kRegionProposal:
    case Task::kOpenVocabularyDetection:
      return task;
    default:
      return std::nullopt;
  }
}

bool AsksWholeToo(Task task) { return TileTask(task) != Task::kOcrWithRegion; }

Result MergeTiles(Task task, std::vector<TileResult> parts, int width, int height,
                  const RegionFilter& filter) {
  Result merged;
  merged.width = width;
  merged.height = height;
  std::vector<Piece> pieces;
  for (size_t i = 0; i < parts.size(); ++i) {
    Result& result = parts[i].result;
    merged.prompt = result.prompt;
    merged.text += (i == 0 ? "" : "\n") + result.text;
    merged.token_ids.insert(merged.token_ids.end(), result.token_ids.begin(),
                            result.token_ids.end());
    merged.token_logprobs.insert(merged.token_logprobs.end(), result.token_logprobs.begin(),
                                 result.token_logprobs.end());
    merged.truncated |= result.truncated;
    AddTimings(result.timings, merged.timings);
    FilterRegions({filter.min_score.value_or(LeastScore(task)), {}}, result.answer);
    for (Region& region : result.answer.regions) {
      pieces.push_back(MakePiece(std::move(region), parts[i].tile, i, width, height));
    }
  }
  merged.task = std::string(GetTaskInfo(task).token);
  merged.answer.shape = GetTaskInfo(task).shape;
  LeaveOutUseless(parts, pieces);
  std::vector<Piece> kept = Merger(task, std::move(pieces)).Run();
  if (TileTask(task) == Task::kOcrWithRegion) {
    AddWords(std::move(kept), task, merged.answer);
  } else {
    for (Piece& piece : kept) merged.answer.regions.push_back(std::move(piece.region));
  }
  FilterRegions(filter, merged.answer);
  return merged;
}

}  // namespace uffizi
