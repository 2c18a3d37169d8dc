"""A studio of simple drawings in pure colours, so that the pixels themselves tell what is where."""

import os
import random
import shutil
import sys
from functools import lru_cache
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

SOURCE = Path(os.environ["UFFIZI_SOURCE"])
sys.path.insert(0, str(SOURCE / "training"))

import drawings  # noqa: E402
import scenes  # noqa: E402
import things  # noqa: E402

FONT = SOURCE / "assets" / "fonts" / "DejaVuSansCondensed-subset.ttf"
INK, PLATE = (255, 255, 255), (60, 60, 60)
# Class -> the colour of its drawing; the background is black, plates are gray with white letters.
DRAWINGS = {
    "apple": (255, 0, 0),
    "tree": (0, 255, 0),
    "key": (0, 0, 255),
    "stop sign": (255, 255, 0),
    "person": (255, 0, 255),
    "umbrella": (0, 255, 255),
}


@pytest.fixture(scope="session")
def studio_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("studio")
    for style in drawings.SEEN_STYLES:
        (folder / "sprites" / style).mkdir(parents=True)
    for i, (name, color) in enumerate(DRAWINGS.items()):
        drawing = Image.new("RGBA", (160, 120 + 20 * i), (0, 0, 0, 0))
        draw = ImageDraw.Draw(drawing)
        box = (0, 0, drawing.width - 1, drawing.height - 1)
        draw.ellipse(box, fill=(*color, 255)) if i % 2 else draw.rounded_rectangle(
            box, 30, fill=(*color, 255)
        )
        drawing.save(folder / "sprites" / "noto" / f"{name}.{i}.png")
    for font in things.FONT_FILES:
        place = folder / "npm" / "node_modules" / "@fontsource" / font
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FONT, place)
    return folder


@pytest.fixture(scope="session")
def studio(studio_folder):
    """Draws things and signs in their own colours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            scenes,
            "draw_background",
            lambda rng, w, h: (Image.new("RGB", (w, h)), "a black background"),
        )
        patch.setattr(scenes.Studio, "_vary", lambda self, rng, drawing: drawing)
        patch.setattr(scenes, "_ink", lambda rng: (INK, PLATE))
        yield scenes.Studio(studio_folder)


def scene_number(studio: scenes.Studio, number: int) -> scenes.Scene:
    return studio.scene(random.Random(number), scenes.Limits(sides=(400, 600), sign_chance=0.7))


@pytest.fixture(scope="session")
def draw_scene(studio):
    """draw_scene(number): a scene, drawn once."""
    return lru_cache(maxsize=None)(lambda number: scene_number(studio, number))
