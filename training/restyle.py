"""Styles that no package has, for training alone: ink drawings filled with colours, and drawings whose colours and
shapes are changed further than in the held-out scenes. They make the model look at shapes."""

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from things import COLORS

Color = tuple[int, int, int]


@dataclass
class InkDrawing:
    """Black lines or a silhouette. ink: [height, width] u8, their opacity; regions: [height, width] u8, the number of
    the region that they enclose, 0 where there is none."""

    ink: np.ndarray
    regions: np.ndarray


def ink_drawing(picture: Image.Image) -> InkDrawing:
    """The lines of an RGBA picture, and what they enclose."""
    from scipy import ndimage  # held-out scenes do without

    ink = np.asarray(picture.getchannel("A"))
    found, _ = ndimage.label(np.pad(ink < 128, 1, constant_values=True))
    regions = np.where(found == found[0, 0], 0, found)
    # The lines' soft edges get the colour of the region beside them.
    regions = np.where(regions == 0, ndimage.grey_dilation(regions, 3), regions)[1:-1, 1:-1]
    outside = ndimage.binary_dilation(found == found[0, 0], iterations=1)[1:-1, 1:-1]
    return InkDrawing(ink, np.where(outside & (ink < 255), 0, regions).astype(np.uint8))


def filled(rng: random.Random, drawing: InkDrawing) -> Image.Image:
    """The drawing as an RGBA picture: its regions in one to three colours, its lines in another."""
    palette = [_some_color(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
    count = int(drawing.regions.max())
    colors = np.array([(0, 0, 0), *(rng.choice(palette) for _ in range(count))], np.float32)
    line = _dark(rng) if count and rng.random() < 0.7 else _some_color(rng)
    ink = drawing.ink[..., None].astype(np.float32) / 255
    inside = drawing.regions > 0
    color = np.where(
        inside[..., None], colors[drawing.regions] * (1 - ink) + np.array(line) * ink, line
    )
    alpha = np.where(inside, 255, drawing.ink)
    return Image.fromarray(np.dstack([color.astype(np.uint8), alpha.astype(np.uint8)]), "RGBA")


def restyled(rng: random.Random, drawing: Image.Image) -> Image.Image:
    """An RGBA drawing with other colours and sheared, by chance."""
    alpha = drawing.getchannel("A")
    color = drawing.convert("RGB")
    chance = rng.random()
    if chance < 0.2:
        color = color.quantize(rng.randint(2, 6), dither=Image.Dither.NONE).convert("RGB")
    elif chance < 0.35:
        bands = list(color.split())
        rng.shuffle(bands)
        color = Image.merge("RGB", bands)
    elif chance < 0.45:
        color = ImageOps.colorize(color.convert("L"), _dark(rng), _some_color(rng))
    elif chance < 0.5:
        color = ImageOps.invert(color)
    color.putalpha(alpha)
    return sheared(rng, color)


def sheared(rng: random.Random, drawing: Image.Image) -> Image.Image:
    """The drawing, which two times of five leans and tilts."""
    if rng.random() >= 0.4:
        return drawing
    width, height = drawing.size
    lean, tilt = rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.15)
    size = (round(width + abs(lean) * height), round(height + abs(tilt) * width))
    left = (size[0] - width - lean * height) / 2
    top = (size[1] - height - tilt * width) / 2
    # From places in the result to places in the drawing: the inverse of [1 lean; tilt 1].
    scale = 1 / (1 - lean * tilt)
    xx, xy, yx, yy = scale, -lean * scale, -tilt * scale, scale
    turn = (xx, xy, -xx * left - xy * top, yx, yy, -yx * left - yy * top)
    picture = drawing.transform(size, Image.Transform.AFFINE, turn, Image.Resampling.BILINEAR)
    return picture.crop(picture.getchannel("A").getbbox())


def _some_color(rng: random.Random) -> Color:
    """Near one of the colours that have names."""
    red, green, blue = (
        max(0, min(255, c + rng.randint(-25, 25))) for c in rng.choice(list(COLORS.values()))
    )
    return red, green, blue


def _dark(rng: random.Random) -> Color:
    """Nearly black."""
    red, green, blue = (rng.randint(0, 50) for _ in range(3))
    return red, green, blue
