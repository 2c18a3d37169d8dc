#include "image/canvas.h"

#include <agg_conv_stroke.h>
#include <agg_path_storage.h>
#include <agg_pixfmt_rgb.h>
#include <agg_rasterizer_scanline_aa.h>
#include <agg_renderer_base.h>
#include <agg_renderer_scanline.h>
#include <agg_rendering_buffer.h>
#include <agg_rounded_rect.h>
#include <agg_scanline_p.h>

#include <algorithm>

namespace uffizi {
namespace {

template <typename Shape>
void Render(Image& image, Shape& shape, Color color) {
  using Pixels = agg::pixfmt_rgb24;
  agg::rendering_buffer buffer(image.pixels.data(), static_cast<unsigned>(image.width),
                               static_cast<unsigned>(image.height), image.width * 3);
  Pixels pixels(buffer);
  agg::renderer_base<Pixels> base(pixels);
  agg::rasterizer_scanline_aa<> rasterizer;
  rasterizer.clip_box(0, 0, image.width, image.height);
  rasterizer.add_path(shape);
  agg::scanline_p8 scanline;
  agg::render_scanlines_aa_solid(rasterizer, scanline, base,
                                 agg::rgba8(color.red, color.green, color.blue, color.opacity));
}

// A model can answer with any coordinates. AGG computes in 24.8 fixed point, so they are clamped to
// some millions; shapes that far outside the picture look the same.
agg::path_storage MakePath(std::span<const Point> points, const Image& image) {
  agg::path_storage path;
  const double reach = 4.0 * std::max(image.width, image.height) + 1000;
  for (const Point& point : points) {
    const double x = std::clamp(point.x, -reach, reach);
    const double y = std::clamp(point.y, -reach, reach);
    if (path.total_vertices() == 0) {
      path.move_to(x, y);
    } else {
      path.line_to(x, y);
    }
  }
  path.close_polygon();
  return path;
}

}  // namespace

void Canvas::FillPolygon(std::span<const Point> points, Color color) {
  if (points.size() < 3) return;
  agg::path_storage path = MakePath(points, image_);
  Render(image_, path, color);
}

void Canvas::StrokePolygon(std::span<const Point> points, double line_width, Color color) {
  if (points.empty()) return;
  agg::path_storage path = MakePath(points, image_);
  agg::conv_stroke<agg::path_storage> stroke(path);
  stroke.width(line_width);
  stroke.line_join(agg::round_join);
  stroke.line_cap(agg::round_cap);
  Render(image_, stroke, color);
}

void Canvas::FillRoundedRect(const Rect& rect, double radius, Color color) {
  agg::rounded_rect shape(rect.left, rect.top, rect.right, rect.bottom, radius);
  shape.normalize_radius();
  Render(image_, shape, color);
}

void Canvas::FillMask(const uint8_t* mask, int columns, int rows, int left, int top, Color color) {
  const int first_x = std::max(0, -left);
  const int end_x = std::min(columns, image_.width - left);
  const int first_y = std::max(0, -top);
  const int end_y = std::min(rows, image_.height - top);
  const int ink[3] = {color.red, color.green, color.blue};
  for (int y = first_y; y < end_y; ++y) {
    for (int x = first_x; x < end_x; ++x) {
      const int coverage = mask[static_cast<ptrdiff_t>(y) * columns + x] * color.opacity / 255;
      uint8_t* pixel =
          image_.pixels.data() + (static_cast<ptrdiff_t>(top + y) * image_.width + left + x) * 3;
      for (int c = 0; c < 3; ++c) {
        pixel[c] =
            static_cast<uint8_t>((ink[c] * coverage + pixel[c] * (255 - coverage) + 127) / 255);
      }
    }
  }
}

}  // namespace uffizi
