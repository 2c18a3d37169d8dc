#!/usr/bin/env python3
"""Makes DejaVuSansCondensed-subset.ttf, the letters of annotated pictures.

    pip install fonttools
    python assets/fonts/make_font.py /usr/share/fonts/truetype/dejavu/DejaVuSansCondensed.ttf

The input is version 2.37 of the font (Debian: fonts-dejavu-extra). Kept are the scripts that the font
draws well: Latin, Greek, Cyrillic, Armenian, Georgian, punctuation, currency, arrows, mathematics.
"""

import pathlib
import sys

from fontTools import subset

RANGES = [
    (0x0020, 0x007E),  # Basic Latin
    (0x00A0, 0x024F),  # Latin-1, Latin Extended-A and -B
    (0x0250, 0x02AF),  # phonetic
    (0x02B0, 0x036F),  # modifiers, combining marks
    (0x0370, 0x052F),  # Greek, Cyrillic
    (0x0531, 0x058A),  # Armenian
    (0x10A0, 0x10FF),  # Georgian
    (0x1E00, 0x1EFF),  # Latin Extended Additional
    (0x2010, 0x205E),  # punctuation
    (0x2070, 0x209C),  # super- and subscripts
    (0x20A0, 0x20BF),  # currency
    (0x2100, 0x218B),  # letterlike, number forms
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x25A0, 0x26FF),  # shapes, symbols
    (0x2713, 0x2717),  # check marks
    (0xFB00, 0xFB06),  # ligatures
    (0xFFFD, 0xFFFD),  # replacement character
]


def main():
    source = sys.argv[1]
    target = pathlib.Path(__file__).parent / "DejaVuSansCondensed-subset.ttf"
    options = subset.Options()
    options.hinting = False
    options.layout_features = []
    options.name_IDs = [0, 1, 2, 4, 6, 13, 14]
    options.notdef_outline = True
    options.drop_tables += ["GSUB", "GPOS", "GDEF", "kern", "FFTM"]
    options.recalc_timestamp = False
    font = subset.load_font(source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[c for low, high in RANGES for c in range(low, high + 1)])
    subsetter.subset(font)
    subset.save_font(font, str(target), options)
    print(f"{target.name}: {target.stat().st_size} bytes, {len(font.getGlyphOrder())} glyphs")


if __name__ == "__main__":
    main()
