#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "image/canvas.h"
#include "image/lettering.h"
#include "image/tag_layout.h"
#include "uffizi/error.h"
#include "uffizi/image.h"

namespace uffizi {
namespace {

// Sizes in pixels, proportional to the picture's so that drawings look alike at every size, but
// never too small to read.
struct Style {
  double letter_size;
  double line_width;
  double halo_width;  // of the dark line behind every outline

  Style(int width, int height) {
    const double side = std::sqrt(static_cast<double>(width) * height);
    letter_size = std::max(11.0, 0.026 * side);
    line_width = std::max(1.5, 0.0038 * side);
    halo_width = line_width + std::max(1.0, 0.0024 * side);
  }
};

constexpr Color kWhite = {255, 255, 255, 255};
constexpr Color kInk = {24, 26, 30, 255};
constexpr Color kPaper = {250, 250, 248, 255};
constexpr Color kHalo = {0, 0, 0, 110};

// The n-th colour: first a hand-picked set in which neighbours differ strongly, then hues a golden
// angle apart.
Color PaletteColor(size_t n) {
  static constexpr Color kPalette[] = {
      {232, 52, 58, 255},  {24, 118, 232, 255},  {22, 160, 92, 255},  {250, 160, 18, 255},
      {146, 62, 206, 255}, {0, 182, 206, 255},   {236, 72, 160, 255}, {138, 190, 20, 255},
      {136, 84, 44, 255},  {92, 106, 246, 255},  {250, 214, 40, 255}, {12, 128, 130, 255},
      {255, 128, 96, 255}, {176, 138, 250, 255}, {122, 22, 62, 255},  {122, 218, 166, 255},
  };
  constexpr size_t kCount = std::size(kPalette);
  if (n < kCount) return kPalette[n];
  const double hue = std::fmod(static_cast<double>(n - kCount) * 137.508, 360.0) / 60;
  const auto channel = [&](double offset) {
    const double t = std::fmod(hue + offset, 6.0);
    const double level = std::clamp(std::min(t, 4 - t), 0.0, 1.0);
    return static_cast<uint8_t>(230 - 190 * level);
  };
  return {channel(5), channel(3), channel(1), 255};
}

// Black or white, whichever has more contrast (WCAG 2.1's relative luminance).
Color TextColorOn(Color background) {
  const auto linear = [](uint8_t value) { return std::pow(value / 255.0, 2.2); };
  const double luminance = 0.2126 * linear(background.red) + 0.7152 * linear(background.green) +
                           0.0722 * linear(background.blue);
  return luminance > 0.28 ? kInk : kWhite;
}

// A region in drawable form: closed shapes with finite points.
struct Drawing {
  std::vector<std::vector<Point>> shapes;
  Rect bounds;  // of all shapes
  bool filled = false;
  Color color;
  std::string tag;

  double Area() const { return (bounds.right - bounds.left) * (bounds.bottom - bounds.top); }
};

// Adds the shape x, y, x, y, ... A point with a number that is not finite is dropped.
void AddShape(std::span<const float> numbers, Drawing& drawing) {
  std::vector<Point> points;
  for (size_t i = 0; i + 1 < numbers.size(); i += 2) {
    if (std::isfinite(numbers[i]) && std::isfinite(numbers[i + 1])) {
      points.push_back({static_cast<double>(numbers[i]), static_cast<double>(numbers[i + 1])});
    }
  }
  if (points.empty()) return;
  if (drawing.shapes.empty()) drawing.bounds = {points[0].x, points[0].y, points[0].x, points[0].y};
  Rect& bounds = drawing.bounds;
  for (const Point& point : points) {
    bounds.left = std::min(bounds.left, point.x);
    bounds.top = std::min(bounds.top, point.y);
    bounds.right = std::max(bounds.right, point.x);
    bounds.bottom = std::max(bounds.bottom, point.y);
  }
  drawing.shapes.push_back(std::move(points));
}

// "cat 97%", without what is not known.
std::string TagOf(const Region& region) {
  std::string tag = region.label;
  if (!region.score) return tag;
  if (!tag.empty()) tag += ' ';
  return tag + std::to_string(std::lround(100 * *region.score)) + "%";
}

Drawing MakeDrawing(const Region& region, AnswerShape shape) {
  Drawing drawing;
  drawing.tag = TagOf(region);
  if (shape == AnswerShape::kQuads) {
    AddShape(region.quad, drawing);
  } else if (shape == AnswerShape::kPolygons || !region.polygons.empty()) {
    for (const Polygon& polygon : region.polygons) AddShape(polygon, drawing);
    drawing.filled = true;
  } else {
    const Box& box = region.box;
    const float corners[] = {box.x1, box.y1, box.x2, box.y1, box.x2, box.y2, box.x1, box.y2};
    // A box with a side that is not finite is dropped.
    if (std::all_of(std::begin(corners), std::end(corners),
                    [](float v) { return std::isfinite(v); })) {
      AddShape(corners, drawing);
    }
  }
  return drawing;
}

// One colour a label; regions without a label get one each.
std::vector<Drawing> MakeDrawings(const Answer& answer) {
  std::map<std::string_view, Color> colors;
  std::vector<Drawing> drawings;
  size_t next = 0;
  for (const Region& region : answer.regions) {
    Drawing drawing = MakeDrawing(region, answer.shape);
    if (drawing.shapes.empty()) continue;
    if (region.label.empty()) {
      drawing.color = PaletteColor(next++);
    } else {
      const auto [known, added] = colors.try_emplace(region.label);
      if (added) known->second = PaletteColor(next++);
      drawing.color = known->second;
    }
    drawings.push_back(std::move(drawing));
  }
  // Small regions are drawn on top of large ones.
  std::stable_sort(drawings.begin(), drawings.end(),
                   [](const Drawing& a, const Drawing& b) { return a.Area() > b.Area(); });
  return drawings;
}

void DrawShapes(const std::vector<Drawing>& drawings, const Style& style, Canvas& canvas) {
  for (const Drawing& drawing : drawings) {
    if (!drawing.filled) continue;
    for (const auto& shape : drawing.shapes) {
      canvas.FillPolygon(shape, drawing.color.WithOpacity(0.38));
    }
  }
  for (const Drawing& drawing : drawings) {
    for (const auto& shape : drawing.shapes) {
      canvas.StrokePolygon(shape, style.halo_width, kHalo);
      canvas.StrokePolygon(shape, style.line_width, drawing.color);
    }
  }
}

void DrawTags(const std::vector<Drawing>& drawings, const Style& style, Canvas& canvas) {
  const Lettering lettering(style.letter_size);
  const double padding_x = 0.38 * style.letter_size;
  const double height = std::round(1.45 * style.letter_size);
  TagLayout layout(canvas.width(), canvas.height());
  for (const Drawing& drawing : drawings) {
    std::u32string label = DecodeUtf8(drawing.tag);
    std::replace(label.begin(), label.end(), U'\n', U' ');
    if (label.find_first_not_of(U' ') == std::u32string::npos) continue;
    label = lettering.Shorten(label, std::max(0.0, canvas.width() - 2 * padding_x));
    const double width = lettering.Width(label) + 2 * padding_x;
    // The tag is flush with the outer edge of the outline.
    const double half = style.line_width / 2;
    const Rect region = {drawing.bounds.left - half, drawing.bounds.top - half,
                         drawing.bounds.right + half, drawing.bounds.bottom + half};
    const Rect tag = layout.Place(region, width, height);
    canvas.FillRoundedRect(tag, 0.2 * style.letter_size, drawing.color);
    const double baseline = (tag.top + tag.bottom + lettering.cap_height()) / 2;
    lettering.Draw(canvas, label, tag.left + padding_x, baseline, TextColorOn(drawing.color));
  }
}

// Adds a caption on a strip below the picture. The strip is at most as high as the picture or
// twelve lines; a longer text is cut with an ellipsis.
Image WithCaption(Image image, const std::string& text) {
  const Lettering lettering(1.1 * Style(image.width, image.height).letter_size);
  const double margin = 0.6 * lettering.size();
  const double room = std::max(1.0, image.width - 2 * margin);
  std::vector<std::u32string> lines = lettering.Wrap(DecodeUtf8(text), room);
  const double per_line = lettering.line_height();
  const auto most = static_cast<size_t>(std::max(12.0, std::floor(image.height / per_line)));
  if (lines.size() > most) {
    lines.resize(most);
    lines.back() = lettering.Shorten(lines.back() + std::u32string(3, U'\u2026'), room);
  }
  const int top = image.height;
  const double strip = per_line * static_cast<double>(lines.size()) + 1.2 * margin;
  const int rows = static_cast<int>(std::ceil(strip));
  image.height += rows;
  image.pixels.resize(static_cast<size_t>(image.height) * static_cast<size_t>(image.width) * 3);
  Canvas canvas(image);
  const double right = image.width;
  const Point paper[] = {{0, static_cast<double>(top)},
                         {right, static_cast<double>(top)},
                         {right, static_cast<double>(image.height)},
                         {0, static_cast<double>(image.height)}};
  canvas.FillPolygon(paper, kPaper);
  double baseline = top + 0.6 * margin + (per_line + lettering.cap_height()) / 2;
  for (const std::u32string& line : lines) {
    lettering.Draw(canvas, line, margin, baseline, kInk);
    baseline += per_line;
  }
  return image;
}

Image CopyOf(const ImageView& view) {
  if (view.width <= 0 || view.height <= 0) {
    throw Error(ErrorCode::kInvalidArgument, "cannot draw on a picture without pixels");
  }
  Image image;
  image.width = view.width;
  image.height = view.height;
  const size_t bytes = static_cast<size_t>(view.width) * 3;
  image.pixels.resize(bytes * static_cast<size_t>(view.height));
  for (size_t y = 0; y < static_cast<size_t>(view.height); ++y) {
    std::memcpy(image.pixels.data() + y * bytes, view.data + y * view.stride, bytes);
  }
  return image;
}

}  // namespace

Image DrawAnswer(ImageView image, const Answer& answer) {
  Image drawn = CopyOf(image);
  if (answer.shape == AnswerShape::kText) {
    const bool blank = answer.text.find_first_not_of(" \t\r\n") == std::string::npos;
    return blank ? drawn : WithCaption(std::move(drawn), answer.text);
  }
  const Style style(drawn.width, drawn.height);
  const std::vector<Drawing> drawings = MakeDrawings(answer);
  Canvas canvas(drawn);
  DrawShapes(drawings, style, canvas);
  DrawTags(drawings, style, canvas);
  return drawn;
}

}  // namespace uffizi
