#ifndef UFFIZI_IMAGE_CANVAS_H_
#define UFFIZI_IMAGE_CANVAS_H_

#include <cstdint>
#include <span>

#include "uffizi/types.h"

namespace uffizi {

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
  uint8_t opacity = 255;

  Color WithOpacity(double share) const {
    return {red, green, blue, static_cast<uint8_t>(255 * share + 0.5)};
  }
};

// In pixels; (0, 0) is the top left corner of the top left pixel.
struct Point {
  double x = 0, y = 0;
};

struct Rect {
  double left = 0, top = 0, right = 0, bottom = 0;
};

// Draws antialiased shapes on a picture that it does not own. Anything outside the picture is
// clipped; coordinates must be finite.
class Canvas {
 public:
  explicit Canvas(Image& image) : image_(image) {}

  int width() const { return image_.width; }
  int height() const { return image_.height; }

  // Fills the polygon with these corners, which is closed automatically.
  void FillPolygon(std::span<const Point> points, Color color);
  // Draws the polygon's outline, `line_width` pixels wide, centred on the edges.
  void StrokePolygon(std::span<const Point> points, double line_width, Color color);
  void FillRoundedRect(const Rect& rect, double radius, Color color);

  // Blends `color` over the pixels with the coverage in `mask` ([rows, columns] u8, packed), whose
  // top left pixel is at (left, top).
  void FillMask(const uint8_t* mask, int columns, int rows, int left, int top, Color color);

 private:
  Image& image_;
};

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_CANVAS_H_
