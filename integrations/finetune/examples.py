"""Reads training examples: a picture, a prompt, and the answer to learn."""

from __future__ import annotations

import json
import pathlib
import re
from dataclasses import dataclass

from PIL import Image, ImageOps


@dataclass(frozen=True)
class Example:
    """One training example."""

    image: pathlib.Path
    prompt: str  #: "<OD>", or any text
    answer: str  #: as the model is to write it: "car<loc_52><loc_332><loc_932><loc_774>"


def open_picture(path: pathlib.Path) -> Image.Image:
    """A picture as Uffizi reads it: turned by EXIF, over white."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def picture_size(path: pathlib.Path) -> tuple[int, int]:
    """Width and height of what `open_picture` gives, without decoding it."""
    with Image.open(path) as image:
        turned = image.getexif().get(0x0112, 1) >= 5
        return (image.height, image.width) if turned else image.size


def location(value: float, size: int) -> str:
    """The token of a coordinate in pixels, for a picture `size` pixels wide or high."""
    return f"<loc_{min(999, max(0, int(value * 1000 / size)))}>"


def box_text(box: list[float], width: int, height: int) -> str:
    """The tokens of x1, y1, x2, y2 in pixels."""
    return "".join(location(n, (width, height)[i % 2]) for i, n in enumerate(box))


def read_coco(file: pathlib.Path, images: pathlib.Path, prompt: str) -> list[Example]:
    """An example for each picture of a COCO file: all its boxes, from left to right."""
    coco = json.loads(file.read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    boxes: dict[int, list[tuple[list[float], str]]] = {}
    for found in coco["annotations"]:
        x, y, width, height = found["bbox"]
        box = [x, y, x + width, y + height]
        boxes.setdefault(found["image_id"], []).append((box, names[found["category_id"]]))
    examples = []
    for image in coco["images"]:
        path = images / image["file_name"]
        size = picture_size(path)
        if size != (image["width"], image["height"]):
            raise SystemExit(f"{path}: is {size[0]} x {size[1]} pixels, but {file} says otherwise")
        answer = "".join(
            label + box_text(box, *size) for box, label in sorted(boxes.get(image["id"], []))
        )
        examples.append(Example(path, prompt, answer))
    return examples


def read_jsonl(file: pathlib.Path, images: pathlib.Path) -> list[Example]:
    """An example for each line: {"image", "prefix", "suffix"}, as in common fine-tuning data sets."""
    examples = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answer = re.sub(r"</?s>", "", row["suffix"])  # of records of `uffizi annotate`
            examples.append(Example(images / row["image"], row["prefix"], answer))
        except (ValueError, KeyError) as error:
            raise SystemExit(f"{file}:{number}: image, prefix and suffix are needed ({error!r})")
    return examples


def read_examples(file: pathlib.Path, images: pathlib.Path | None, prompt: str) -> list[Example]:
    """The examples of a COCO (.json) or JSONL file. Pictures are in `images`, by default the file's
    folder. Ends the program if a picture is missing."""
    folder = file.parent if images is None else images
    lines = file.suffix == ".jsonl"
    try:
        examples = read_jsonl(file, folder) if lines else read_coco(file, folder, prompt)
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror or error}")
    missing = [example.image for example in examples if not example.image.is_file()]
    if missing:
        raise SystemExit(f"{missing[0]}: no such picture; {len(missing)} are missing in all")
    if not examples:
        raise SystemExit(f"{file}: no examples in it")
    return examples
