"""The drawings of things, as RGBA pictures: rasterize.py made them."""

from pathlib import Path

from PIL import Image

from things import CLASSES


def load_sprites(
    folder: Path, styles: tuple[str, ...], most: int | None = None
) -> dict[str, list[Image.Image]]:
    """Class name -> its drawings in the given styles, with at most so many pixels a side."""
    sprites: dict[str, list[Image.Image]] = {name: [] for name in CLASSES}
    for style in styles:
        for path in sorted((folder / style).glob("*.png")):
            drawing = Image.open(path).convert("RGBA")
            if most is not None:
                drawing.thumbnail((most, most), Image.Resampling.BICUBIC)
            sprites[path.name.split(".")[0]].append(drawing)
    return {name: pictures for name, pictures in sprites.items() if pictures}
