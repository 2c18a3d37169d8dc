"""The drawings of things, as RGBA pictures: rasterize.py made them."""

from pathlib import Path

from PIL import Image

from things import CLASSES


def load_sprites(folder: Path, styles: tuple[str, ...]) -> dict[str, list[Image.Image]]:
    """Class name -> its drawings in the given styles."""
    sprites: dict[str, list[Image.Image]] = {name: [] for name in CLASSES}
    for style in styles:
        for path in sorted((folder / style).glob("*.png")):
            sprites[path.name.split(".")[0]].append(Image.open(path).convert("RGBA"))
    return {name: pictures for name, pictures in sprites.items() if pictures}
