#ifndef UFFIZI_IMAGE_LETTERING_H_
#define UFFIZI_IMAGE_LETTERING_H_

#include <string>
#include <string_view>
#include <vector>

#include "image/canvas.h"

namespace uffizi {

// Text as code points. Damaged UTF-8 becomes U+FFFD, control characters other than '\n' spaces.
std::u32string DecodeUtf8(std::string_view utf8);

// The built-in font (assets/fonts) at one size. A character that it lacks is drawn as an empty box.
class Lettering {
 public:
  // `size`: of the em, pixels.
  explicit Lettering(double size);

  double size() const { return size_; }
  double ascent() const { return ascent_; }            // of capitals and accents above the baseline
  double descent() const { return descent_; }          // below it, positive
  double line_height() const { return line_height_; }  // from baseline to baseline
  double cap_height() const { return cap_height_; }

  double Width(std::u32string_view text) const;

  // `text`, or as much of its beginning as fits, followed by an ellipsis.
  std::u32string Shorten(std::u32string_view text, double max_width) const;

  // Lines no wider than `max_width`, broken at spaces, or within a word wider than a line. At least
  // one character a line.
  std::vector<std::u32string> Wrap(std::u32string_view text, double max_width) const;

  // Draws one line whose baseline starts at (x, baseline).
  void Draw(Canvas& canvas, std::u32string_view text, double x, double baseline, Color color) const;

 private:
  double Advance(char32_t character) const;

  double size_;
  double scale_;  // pixels in a font unit
  double ascent_, descent_, line_height_, cap_height_;
};

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_LETTERING_H_
