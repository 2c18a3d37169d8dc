"""The drawings of things, as RGBA pictures: rasterize.py made them."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def load_sprites(
    folder: Path, styles: Iterable[str], names: Iterable[str], most: int | None = None
) -> dict[str, list[Image.Image]]:
    """The names that have drawings in the given styles -> these, with at most so many pixels a side. Raises
    FileNotFoundError if a style was not rasterized."""
    sprites: dict[str, list[Image.Image]] = {name: [] for name in names}
    for style in styles:
        if not (folder / style).exists():
            raise FileNotFoundError(f"{folder / style}: see what scripts/scenes_env.sh prints")
        for path in sorted((folder / style).glob("*.png")):
            name = path.name.split(".")[0]
            if name not in sprites:
                continue
            drawing = Image.open(path).convert("RGBA")
            if most is not None:
                drawing.thumbnail((most, most), Image.Resampling.BICUBIC)
            sprites[name].append(drawing)
    return {name: pictures for name, pictures in sprites.items() if pictures}
