"""Scenes: things and signs composed on a background, with their ground truth."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from backgrounds import draw_background
from drawings import INKED_EMOJI, INKED_FONTS, INKED_ICONS, SEEN_STYLES, UNSEEN_STYLES
from restyle import InkDrawing, filled, ink_drawing, restyled, sheared
from sprites import load_sprites
from things import CLASSES, CLASS_NAMES, COLORS, FONT_FILES, WORDS

Box = tuple[float, float, float, float]
ALPHA_SEEN = 100  # what is more opaque than this counts as seen
ASPECTS = (4 / 3, 4 / 3, 3 / 2, 16 / 9, 1.0, 3 / 4, 2 / 3)
TRAINING_SIDE = 144  # of a drawing in pixels, with which a scene takes a third less time
INKED_SHARE, RESTYLED_SHARE = 0.35, 0.5  # of the drawings in training; the latter of the others
PHOTOGRAPH_SHARE = 0.25  # of those that are not inked, where there are photographs
COUNT_WEIGHTS = (0.2, 0.22, 0.2, 0.16, 0.12, 0.1)
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the center", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)


@dataclass
class Thing:
    """One drawn object. Box in pixels of the picture; mask: [height, width] bool, where it is seen."""

    name: str
    color: str
    box: Box
    mask: np.ndarray
    size: str = ""
    place: str = ""

    @property
    def description(self) -> str:
        return " ".join(part for part in (self.size, self.color, self.name, self.place) if part)


@dataclass
class Sign:
    """A written word. quad: its corners x, y clockwise from the text's top left, in pixels."""

    text: str
    quad: tuple[float, ...]
    box: Box


@dataclass
class Scene:
    """names: of what could have been in it."""

    picture: Image.Image
    names: tuple[str, ...]
    background: str
    things: list[Thing]
    signs: list[Sign]


@dataclass(frozen=True)
class Limits:
    """How rich a scene may be, and how long its longer side is in pixels."""

    most_things: int = 6
    most_signs: int = 3
    sides: tuple[int, int] = (288, 416)
    sign_chance: float = 0.45


@dataclass(frozen=True)
class Group:
    """Which drawings scenes show: these styles', of these names."""

    styles: tuple[str, ...]
    names: tuple[str, ...]


TRAINING = Group((*SEEN_STYLES, *(f"more/{style}" for style in SEEN_STYLES)), CLASS_NAMES)
HELD_OUT: dict[str, Group] = {
    "seen": Group(SEEN_STYLES, tuple(CLASSES)),
    "unseen": Group(UNSEEN_STYLES, tuple(CLASSES)),
    "seen-all": Group(SEEN_STYLES, CLASS_NAMES),
    "unseen-all": Group(UNSEEN_STYLES, CLASS_NAMES),
    "photographs": Group(("photographs-held-out",), CLASS_NAMES),
}
INKED: tuple[tuple[str, ...], ...] = (
    (*INKED_EMOJI, *INKED_FONTS, *(f"more/{style}" for style in INKED_EMOJI)),
    INKED_ICONS,
)


class Studio:
    """Draws scenes from the drawings of one group. For training, many are photographs or in styles of its own."""

    def __init__(self, folder: Path, group: Group = HELD_OUT["seen"]) -> None:
        self._training = group is TRAINING
        sprites = folder / "sprites"
        most = TRAINING_SIDE if self._training else None
        self._sprites = load_sprites(sprites, group.styles, group.names, most)
        self._names = tuple(self._sprites)
        self._inked: list[dict[str, list[InkDrawing]]] = []
        self._photographs: dict[str, list[Image.Image]] = {}
        if self._training:
            self._photographs = load_sprites(sprites, ("photographs",), group.names, most)
            for styles in INKED:
                drawings = load_sprites(sprites, styles, group.names, most)
                self._inked.append(
                    {name: [ink_drawing(p) for p in them] for name, them in drawings.items()}
                )
        fonts = folder / "npm" / "node_modules" / "@fontsource"
        self._fonts = [str(fonts / name) for name in FONT_FILES]

    def scene(self, rng: random.Random, limits: Limits) -> Scene:
        """One random scene; the same numbers give the same scene."""
        aspect, side = rng.choice(ASPECTS), rng.randint(*limits.sides)
        width, height = (
            (side, round(side / aspect)) if aspect >= 1 else (round(side * aspect), side)
        )
        picture, background = draw_background(rng, width, height)
        weights = COUNT_WEIGHTS[: limits.most_things]
        count = rng.choices(range(1, len(weights) + 1), weights)[0]
        things: list[Thing] = []
        for _ in range(count):
            repeat = things and rng.random() < 0.3
            name = rng.choice(things).name if repeat else rng.choice(self._names)
            self._add_thing(rng, picture, things, name, count)
        signs: list[Sign] = []
        while len(signs) < limits.most_signs and rng.random() < limits.sign_chance:
            self._add_sign(rng, picture, things, signs)
        for thing in things:
            describe_place(thing, width, height)
        things.sort(key=lambda t: t.box[0])
        signs.sort(key=lambda s: (s.quad[1] + s.quad[5], s.quad[0]))
        if rng.random() < 0.25:
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
        return Scene(
            ImageEnhance.Brightness(picture).enhance(rng.uniform(0.85, 1.15)),
            self._names,
            background,
            things,
            signs,
        )

    def _add_thing(
        self, rng: random.Random, picture: Image.Image, things: list[Thing], name: str, count: int
    ) -> None:
        low, high = (
            (0.2, 0.5),
            (0.2, 0.5),
            (0.18, 0.42),
            (0.18, 0.42),
            (0.16, 0.34),
            (0.16, 0.34),
        )[count - 1]
        drawing = self._vary(rng, self._drawing(rng, name))
        side = rng.uniform(low, high) * (picture.width * picture.height) ** 0.5
        scale = side / (drawing.width * drawing.height) ** 0.5
        stretch = rng.uniform(0.87, 1.15)
        drawing = _fitted(drawing, scale * stretch, scale / stretch, picture)
        drawing = drawing.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC, expand=True)
        seen = np.asarray(drawing.getchannel("A")) > ALPHA_SEEN
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        drawing = drawing.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        spot = find_spot(rng, picture.size, drawing.size, [t.box for t in things], 0.18)
        if spot is None:
            return
        mask = paste_seen(picture, drawing, spot, things)
        things.append(Thing(name, main_color(drawing), mask_box(mask), mask))

    def _drawing(self, rng: random.Random, name: str) -> Image.Image:
        """A drawing of this class."""
        if not self._training:
            return rng.choice(self._sprites[name])
        if rng.random() < INKED_SHARE:
            groups = [group[name] for group in self._inked if name in group]
            return sheared(rng, filled(rng, rng.choice(rng.choice(groups))))
        drawings = self._sprites
        if name in self._photographs and rng.random() < PHOTOGRAPH_SHARE:
            drawings = self._photographs
        drawing = rng.choice(drawings[name])
        return restyled(rng, drawing) if rng.random() < RESTYLED_SHARE else drawing

    def _vary(self, rng: random.Random, drawing: Image.Image) -> Image.Image:
        """A drawing mirrored, recoloured or outlined by chance."""
        if rng.random() < 0.5:
            drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        alpha = drawing.getchannel("A")
        color = drawing.convert("RGB")
        if rng.random() < 0.3:
            hue, saturation, value = color.convert("HSV").split()
            turn = rng.randint(0, 255)
            color = Image.merge(
                "HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value)
            ).convert("RGB")
        if rng.random() < 0.5:
            color = ImageEnhance.Color(color).enhance(rng.uniform(0.3, 1.4))
            color = ImageEnhance.Brightness(color).enhance(rng.uniform(0.75, 1.2))
        color.putalpha(alpha)
        return outlined(rng, color) if rng.random() < 0.25 else color

    def _add_sign(
        self, rng: random.Random, picture: Image.Image, things: list[Thing], signs: list[Sign]
    ) -> None:
        word = rng.choice(WORDS)
        text = word if rng.random() < 0.7 else word.capitalize()
        font = ImageFont.truetype(
            rng.choice(self._fonts), int(rng.uniform(0.09, 0.17) * min(picture.size) + 4)
        )
        left, top, right, bottom = font.getbbox(text)
        pad = int(0.25 * (bottom - top)) + 2
        plate_size = (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad)
        dark, light = _ink(rng)
        plate = Image.new("RGBA", plate_size, (*dark, 0))
        draw = ImageDraw.Draw(plate)
        draw.rounded_rectangle(
            (0, 0, plate_size[0] - 1, plate_size[1] - 1), rng.randint(0, pad), fill=(*light, 255)
        )
        draw.text((pad - left, pad - top), text, font=font, fill=(*dark, 255))
        angle = rng.uniform(-12, 12) if rng.random() < 0.5 else 0.0
        turned = plate.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        spot = find_spot(
            rng, picture.size, turned.size, [t.box for t in things] + [s.box for s in signs], 0.02
        )
        if spot is None:
            return
        mask = paste_seen(picture, turned, spot, things)
        signs.append(
            Sign(text, turned_corners(plate_size, pad, angle, spot, turned.size), mask_box(mask))
        )


def _fitted(
    drawing: Image.Image, scale_x: float, scale_y: float, picture: Image.Image
) -> Image.Image:
    """The drawing resized, at most 80 % of the picture's sides."""
    width, height = drawing.width * scale_x, drawing.height * scale_y
    shrink = min(1.0, 0.8 * picture.width / width, 0.8 * picture.height / height)
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    return drawing.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _ink(rng: random.Random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Colours of letters and plate, far apart in brightness."""
    dark = tuple(rng.randint(0, 90) for _ in range(3))
    light = tuple(rng.randint(190, 255) for _ in range(3))
    return (light, dark) if rng.random() < 0.35 else (dark, light)


def outlined(rng: random.Random, drawing: Image.Image) -> Image.Image:
    """The drawing with a dark outline around it and along its strong inner edges."""
    alpha = drawing.getchannel("A")
    color = drawing.convert("RGB")
    edges = color.convert("L").filter(ImageFilter.FIND_EDGES).point(lambda e: 255 if e > 70 else 0)
    rim = alpha.filter(ImageFilter.MinFilter(rng.choice((5, 7, 9)))).point(lambda a: 255 - a)
    if rng.random() < 0.5:
        color.paste((25, 25, 25), mask=edges.filter(ImageFilter.MaxFilter(3)))
    color.paste((25, 25, 25), mask=rim)
    color.putalpha(alpha)
    return color


def paste_seen(
    picture: Image.Image, drawing: Image.Image, spot: tuple[int, int], behind: list[Thing]
) -> np.ndarray:
    """Paste a drawing, take what it hides from the things behind it, and return the mask of where it is seen."""
    picture.paste(drawing, spot, drawing)
    mask = np.zeros((picture.height, picture.width), bool)
    x, y = spot
    mask[y : y + drawing.height, x : x + drawing.width] = (
        np.asarray(drawing.getchannel("A")) > ALPHA_SEEN
    )
    for thing in behind:
        thing.mask &= ~mask
        thing.box = mask_box(thing.mask)
    return mask


def main_color(drawing: Image.Image) -> str:
    """The name of the colour that covers most of a drawing; greys count half."""
    small = np.asarray(drawing.resize((20, 20), Image.Resampling.BOX), np.float32)
    pixels = small[small[..., 3] > 128][:, :3]
    palette = np.array(list(COLORS.values()), np.float32)
    nearest = ((pixels[:, None] - palette) ** 2).sum(-1).argmin(1)
    votes = np.bincount(nearest, minlength=len(palette)) * np.array(
        [0.5 if max(c) - min(c) < 20 else 1 for c in palette]
    )
    return list(COLORS)[int(votes.argmax())]


def mask_box(mask: np.ndarray) -> Box:
    """The box around a mask, in pixels; the right and bottom sides are exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def find_spot(
    rng: random.Random,
    canvas: tuple[int, int],
    size: tuple[int, int],
    taken: list[Box],
    overlap: float,
) -> tuple[int, int] | None:
    """A random corner where a box of this size hides little of the boxes already there."""
    if size[0] >= canvas[0] or size[1] >= canvas[1]:
        return None
    for _ in range(20):
        x, y = rng.randint(0, canvas[0] - size[0]), rng.randint(0, canvas[1] - size[1])
        box = (x, y, x + size[0], y + size[1])
        if all(_shared(box, other) <= overlap * min(_area(box), _area(other)) for other in taken):
            return x, y
    return None


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def turned_corners(
    size: tuple[int, int], pad: int, angle: float, spot: tuple[int, int], turned: tuple[int, int]
) -> tuple[float, ...]:
    """Where the corners of the text come to lie after the plate was turned and pasted."""
    radians = np.deg2rad(angle)
    half_w, half_h = size[0] / 2 - pad / 2, size[1] / 2 - pad / 2
    center_x, center_y = spot[0] + turned[0] / 2, spot[1] + turned[1] / 2
    quad: list[float] = []
    for x, y in ((-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)):
        quad.append(float(center_x + x * np.cos(radians) + y * np.sin(radians)))
        quad.append(float(center_y - x * np.sin(radians) + y * np.cos(radians)))
    return tuple(quad)


def describe_place(thing: Thing, width: int, height: int) -> None:
    """Fill in the words for a thing's size and place."""
    part = _area(thing.box) / (width * height)
    thing.size = "small" if part < 0.06 else "large" if part > 0.14 else ""
    column = int(3 * (thing.box[0] + thing.box[2]) / 2 / width)
    row = int(3 * (thing.box[1] + thing.box[3]) / 2 / height)
    thing.place = PLACES[row][column]
