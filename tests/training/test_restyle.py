"""Training's own styles keep the shapes of the drawings."""

import random

import numpy as np
import pytest
import restyle
from PIL import Image, ImageDraw

NUMBERS = range(30)


@pytest.fixture
def target():
    """Two black rings, one in the other, and a black bar beside them."""
    picture = Image.new("RGBA", (140, 100))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((5, 5, 95, 95), outline=(0, 0, 0, 255), width=8)
    draw.ellipse((35, 35, 65, 65), outline=(0, 0, 0, 255), width=8)
    draw.rectangle((110, 20, 130, 80), fill=(0, 0, 0, 255))
    return picture


def colors_of(picture, *places):
    return [picture.getpixel(place)[:3] for place in places]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_lines_enclose_is_filled(target, number):
    drawing = restyle.ink_drawing(target)
    assert len(np.unique(drawing.regions)) == 3  # with that of no region
    filled = restyle.filled(random.Random(number), drawing)
    opaque = np.asarray(filled.getchannel("A")) == 255
    y, x = np.mgrid[:100, :140]
    away = np.hypot(x - 50, y - 50)
    assert opaque[away < 44].all() and not opaque[(away > 47) & (x < 105)].any()
    between, center, ring, bar = colors_of(filled, (50, 20), (50, 50), (50, 9), (120, 50))
    assert ring == bar
    assert colors_of(filled, (80, 50), (50, 80)) == [between, between]
    assert colors_of(filled, (52, 52)) == [center]


def test_fills_differ(target):
    drawing = restyle.ink_drawing(target)
    seen = {restyle.filled(random.Random(n), drawing).getpixel((50, 50)) for n in NUMBERS}
    assert len(seen) > 20


@pytest.mark.parametrize("number", NUMBERS)
def test_restyled_drawings_stay_whole(number):
    picture = Image.new("RGBA", (120, 90))
    ImageDraw.Draw(picture).rounded_rectangle((0, 0, 119, 89), 25, fill=(200, 40, 90, 255))
    covered = np.asarray(picture.getchannel("A")).sum() / 255
    restyled = restyle.restyled(random.Random(number), picture)
    alpha = np.asarray(restyled.getchannel("A"))
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (
        0,
        restyled.height,
        0,
        restyled.width,
    )
    # Shearing by at most 0.25 and 0.15 scales areas by 1 - 0.25 * 0.15 at least.
    assert 0.95 < alpha.sum() / 255 / covered < 1.05
