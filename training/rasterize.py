"""Rasterize the drawings of things from the Iconify packages and fonts, cropped to their alpha."""

import argparse
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import resvg_py
from PIL import Image, ImageDraw, ImageFont

from drawings import (
    ICON_ENDINGS,
    ICON_NAMES,
    INKED_EMOJI,
    INKED_FONTS,
    INKED_ICONS,
    MORE_CODES,
    OTHER_DRAWINGS,
    SEEN_STYLES,
    STAMPS,
    UNSEEN_STYLES,
    photographs,
)
from things import ALL_CLASSES

SPRITE_SIDE = 224
ALPHA_VISIBLE = 64


class IconSet:
    """One Iconify package: a style's drawings as SVG bodies, found by code point or name."""

    def __init__(self, folder: Path) -> None:
        data = json.loads((folder / "icons.json").read_text())
        self._icons: dict[str, dict] = data["icons"]
        self._aliases: dict[str, dict] = data.get("aliases", {})
        self._width, self._height = data.get("width", 16), data.get("height", 16)
        self._by_code = code_points(folder)

    def find(self, code: str, noto_name: str) -> str | None:
        """The icon that draws a code point: by the package's own table, else by a name that says the same."""
        if code in self._by_code:
            return self._by_code[code]
        common = re.escape(noto_name)
        name = re.compile(rf"(u?{code.lower()}-.*|{common}|{common}-1)")
        return next((n for n in [*self._icons, *self._aliases] if name.fullmatch(n)), None)

    def __contains__(self, name: str) -> bool:
        return name in self._icons or name in self._aliases

    def drawn(self, icons: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, Image.Image]]:
        """(class, file name, drawing) for each (class, file name, icon)."""
        for name, file_name, icon in icons:
            png = bytes(resvg_py.svg_to_bytes(svg_string=self.svg(icon)))
            yield name, file_name, Image.open(io.BytesIO(png)).convert("RGBA")

    def svg(self, name: str) -> str:
        """A whole SVG document of an icon."""
        icon = self._icons[self._aliases[name]["parent"] if name in self._aliases else name]
        box = f"{icon.get('left', 0)} {icon.get('top', 0)} {icon.get('width', self._width)} {icon.get('height', self._height)}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
            f'width="{SPRITE_SIDE}" height="{SPRITE_SIDE}">{icon["body"]}</svg>'
        )


def code_points(folder: Path) -> dict[str, str]:
    """Code point -> icon name, as far as the package tells, without variation selectors."""
    chars = json.loads((folder / "chars.json").read_text())
    return {code.upper().replace("-FE0F", ""): name for code, name in chars.items()}


def rasterize(npm: Path, out: Path) -> None:
    """Write out/STYLE/CLASS.ICON.png for every drawing that the packages and fonts have, and
    out/more/STYLE/CLASS.ICON.png for MORE_CODES. Photographs go to out/photographs and out/photographs-held-out. A style
    whose font, or photographs, are missing have no folder: held-out drawings do without. `out` is whole or not there."""
    packages = npm / "node_modules"
    root = packages / "@iconify-json"
    noto_names = code_points(root / "noto")
    beside = out.with_suffix(".new")

    def write(drawings: Iterable[tuple[str, str, Image.Image]], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, file_name, picture in drawings:
            crop_to_alpha(picture).save(folder / f"{name}.{file_name}.png")
        print(f"{folder.relative_to(beside)}: {len(list(folder.iterdir()))} drawings")

    for style in SEEN_STYLES + UNSEEN_STYLES + INKED_EMOJI:
        icons = IconSet(root / style)
        write(icons.drawn(emoji(icons, style, ALL_CLASSES, noto_names)), beside / style)
        if style not in UNSEEN_STYLES:
            write(icons.drawn(emoji(icons, style, MORE_CODES, noto_names)), beside / "more" / style)
    for style in INKED_ICONS:
        icons = IconSet(root / style)
        write(icons.drawn(named_icons(icons, style)), beside / style)
    for style, file in INKED_FONTS.items():
        font = packages / file
        if font.exists():
            write(glyphs(font), beside / style)
        else:
            print(f"{font} is not there: training needs it")
    if Path(STAMPS).exists():
        write(stamps(photographs(held_out=False)), beside / "photographs")
        write(stamps(photographs(held_out=True)), beside / "photographs-held-out")
    else:
        print(f"{STAMPS} is not there: training needs it, and held-out photographs")
    beside.rename(out)


def glyphs(file: Path) -> Iterator[tuple[str, str, Image.Image]]:
    """(class, code point, drawing) of all that a font has."""
    font = ImageFont.truetype(str(file), SPRITE_SIDE)
    missing = bytes(font.getmask("\U0010ffff"))
    for name in ALL_CLASSES:
        for code in ALL_CLASSES[name] + MORE_CODES.get(name, ()):
            # A sequence of code points needs more than a glyph.
            if "-" in code or bytes(font.getmask(chr(int(code, 16)))) == missing:
                continue
            picture = Image.new("RGBA", (2 * SPRITE_SIDE, 2 * SPRITE_SIDE))
            ImageDraw.Draw(picture).text((SPRITE_SIDE // 2,) * 2, chr(int(code, 16)), "black", font)
            yield name, code, picture


def stamps(names_of: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str, Image.Image]]:
    """(class, file name, photograph) for each class and its stamps."""
    for name, files in names_of.items():
        for stamp in files:
            picture = Image.open(f"{STAMPS}/{stamp}.png").convert("RGBA")
            picture.thumbnail((SPRITE_SIDE, SPRITE_SIDE), Image.Resampling.LANCZOS)
            yield name, Path(stamp).name, picture


def emoji(
    icons: IconSet,
    style: str,
    codes_of: dict[str, tuple[str, ...]],
    noto_names: dict[str, str],
) -> list[tuple[str, str, str]]:
    """(class, code point, icon) of all that the package has."""
    found = [
        (name, code, icons.find(code, noto_names[code]))
        for name, codes in codes_of.items()
        for code in codes
        if f"{style}:{code}" not in OTHER_DRAWINGS
    ]
    return [(name, code, icon) for name, code, icon in found if icon is not None]


def named_icons(icons: IconSet, style: str) -> list[tuple[str, str, str]]:
    """(class, name, icon) of all that the package has."""
    return [
        (name, icon, icon)
        for name, names in ICON_NAMES.items()
        for icon in (stem + ending for stem in names for ending in ICON_ENDINGS)
        if icon in icons and f"{style}:{icon}" not in OTHER_DRAWINGS
    ]


def crop_to_alpha(picture: Image.Image) -> Image.Image:
    """Cut away the transparent border."""
    box = picture.getchannel("A").point(lambda a: 255 if a > ALPHA_VISIBLE else 0).getbbox()
    return picture.crop(box)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--npm", type=Path, required=True, help="folder with node_modules")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rasterize(arguments.npm, arguments.out)
