#ifndef UFFIZI_IMAGE_FONT_DATA_H_
#define UFFIZI_IMAGE_FONT_DATA_H_

namespace uffizi {

// assets/fonts/DejaVuSansCondensed-subset.ttf; the build writes it to font_data.cc (embed.cmake).
extern const unsigned char kFontData[];

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_FONT_DATA_H_
