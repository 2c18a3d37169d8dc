"""Backgrounds of scenes: plain colours, gradients, patterns, noise, photographs."""

import random
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from things import COLORS

# Photographs that scikit-image ships with itself (CC0 and public domain), with the words for them.
PHOTOGRAPHS = {
    "brick": "a brick wall",
    "grass": "grass",
    "gravel": "gravel",
    "hubble_deep_field": "a starry sky",
}
PHOTOGRAPH_TINTS = {"brick": (150, 75, 55), "grass": (85, 140, 60), "gravel": (150, 140, 130)}


@lru_cache
def photograph(name: str) -> Image.Image:
    """A photograph in colour; the gray ones are tinted."""
    from skimage import data as photographs  # slow to import, and most scenes do without

    picture = Image.fromarray(getattr(photographs, name)())
    if picture.mode == "L":
        picture = ImageOps.colorize(
            picture, (10, 10, 10), (250, 250, 250), mid=PHOTOGRAPH_TINTS[name]
        )
    return picture.convert("RGB")


def draw_background(rng: random.Random, width: int, height: int) -> tuple[Image.Image, str]:
    """A background and the words for it, such as 'a striped blue background'."""
    if rng.random() < 0.15:
        return _photograph_crop(rng, width, height)
    name = rng.choice(list(COLORS))
    base = tuple(_clamp(c + rng.randint(-18, 18)) for c in COLORS[name])
    if rng.random() < 0.25:
        pattern = rng.choice(("striped", "checkered", "dotted"))
        picture, words = (
            _pattern(rng, width, height, base, pattern),
            f"a {pattern} {name} background",
        )
    else:
        picture, words = _gradient(rng, width, height, base), f"a {name} background"
        if rng.random() < 0.3:
            _clutter(rng, picture, base)
    if rng.random() < 0.5:
        picture = _noisy(rng, picture)
    return picture, words.replace("a orange", "an orange")


def _clamp(value: float) -> int:
    return int(max(0, min(255, value)))


def _near(rng: random.Random, base: tuple[int, ...], least: int, most: int) -> tuple[int, ...]:
    """A lighter or darker neighbour of a colour."""
    step = rng.choice((-1, 1)) * rng.randint(least, most)
    return tuple(_clamp(c + step) for c in base)


def _photograph_crop(rng: random.Random, width: int, height: int) -> tuple[Image.Image, str]:
    name = rng.choice(list(PHOTOGRAPHS))
    picture = photograph(name)
    part = rng.uniform(0.4, 0.95) * min(picture.width / width, picture.height / height)
    w, h = int(width * part), int(height * part)
    x, y = rng.randint(0, picture.width - w), rng.randint(0, picture.height - h)
    crop = picture.resize((width, height), Image.Resampling.BILINEAR, box=(x, y, x + w, y + h))
    return ImageEnhance.Brightness(crop).enhance(rng.uniform(0.7, 1.2)), PHOTOGRAPHS[name]


def _gradient(rng: random.Random, width: int, height: int, base: tuple[int, ...]) -> Image.Image:
    y, x = np.mgrid[0:16, 0:16] / 16 - 0.5
    slope = x * rng.uniform(-55, 55) + y * rng.uniform(-55, 55)
    small = np.clip(np.array(base) + slope[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _pattern(
    rng: random.Random, width: int, height: int, base: tuple[int, ...], kind: str
) -> Image.Image:
    picture = Image.new("RGB", (width, height), base)
    draw = ImageDraw.Draw(picture)
    other, step = _near(rng, base, 18, 40), int(max(width, height) * rng.uniform(0.03, 0.1))
    if kind == "striped":
        lean = rng.choice((0, rng.randint(-height, height)))
        for x in range(-abs(lean), width + abs(lean), 2 * step):
            draw.line((x, 0, x + lean, height), fill=other, width=step)
    elif kind == "checkered":
        for row, y in enumerate(range(0, height, step)):
            for x in range(row % 2 * step, width, 2 * step):
                draw.rectangle((x, y, x + step - 1, y + step - 1), fill=other)
    else:
        radius = step // 4 + 1
        for y in range(0, height + step, step):
            for x in range(0, width + step, step):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=other)
    return picture


def _clutter(rng: random.Random, picture: Image.Image, base: tuple[int, ...]) -> None:
    """Faint abstract shapes."""
    draw = ImageDraw.Draw(picture)
    for _ in range(rng.randint(2, 6)):
        x, y = rng.randint(0, picture.width), rng.randint(0, picture.height)
        w, h = rng.randint(8, picture.width // 3), rng.randint(8, picture.height // 3)
        shape = rng.choice((draw.ellipse, draw.rectangle))
        shape((x, y, x + w, y + h), fill=_near(rng, base, 8, 30))


def _noisy(rng: random.Random, picture: Image.Image) -> Image.Image:
    numbers = np.random.default_rng(rng.getrandbits(32))
    grain = numbers.normal(
        0, rng.uniform(2, 9), (picture.height // 2 + 1, picture.width // 2 + 1, 1)
    )
    grain = grain.repeat(2, 0).repeat(2, 1)[: picture.height, : picture.width]
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))
