"""Makes tests/data/tiny/answers.json: what transformers answers about the sample pictures with the model in the repository.

Needs torch and transformers. Run from anywhere:

    python3 tests/golden/make_tiny.py
"""

import json
import pathlib

import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "uffizi-tiny"
OUT = ROOT / "tests" / "data" / "tiny" / "answers.json"
# Picture -> the inputs of the tasks that take one: a caption, words for one thing, classes, a thing's region, a sign's.
ASKED = {
    "football.jpg": (
        "Three sports balls and a donut.",
        "the umbrella",
        "donut <and> umbrella",
        (333, 75, 649, 288),
        (691, 810, 936, 880),
    ),
    "meadow.jpg": (
        "A balloon and a cell phone on grass.",
        "the balloon",
        "flower",
        (652, 29, 829, 501),
        None,
    ),
    "space.jpg": (
        "A house, a bicycle and a cup on a starry sky.",
        "the hamburger",
        "pizza <and> cup",
        (602, 40, 876, 370),
        (396, 814, 721, 937),
    ),
    "shop.jpg": (
        "An airplane and two mushrooms.",
        "the boat",
        "mushroom <and> boat",
        (56, 296, 326, 704),
        (516, 832, 819, 972),
    ),
    "stripes.jpg": ("a butterfly and a hamburger", "the car", "laptop", (364, 66, 618, 447), None),
    "village.jpg": (
        "A turtle and an apple on gravel.",
        "the motorcycle",
        "house",
        (101, 555, 430, 874),
        None,
    ),
    "penguins.jpg": ("A star and a carrot.", "the star", "carrot", (50, 520, 314, 883), None),
    "aquarium.png": (
        "Three fish on a white background.",
        "the fish at the top left",
        "fish",
        (183, 590, 539, 786),
        (246, 407, 599, 531),
    ),
}
PLAIN = (
    "<OD>",
    "<CAPTION>",
    "<DETAILED_CAPTION>",
    "<MORE_DETAILED_CAPTION>",
    "<DENSE_REGION_CAPTION>",
    "<REGION_PROPOSAL>",
    "<OCR>",
    "<OCR_WITH_REGION>",
)


def prompts(picture: str) -> list[str]:
    """All fifteen tasks about a picture (fourteen where nothing is written), as the processor takes them."""
    caption, words, classes, region, sign = ASKED[picture]
    place = "".join(f"<loc_{bin}>" for bin in region)
    asked = [
        *PLAIN,
        "<CAPTION_TO_PHRASE_GROUNDING>" + caption,
        "<REFERRING_EXPRESSION_SEGMENTATION>" + words,
    ]
    asked += ["<OPEN_VOCABULARY_DETECTION>" + classes, "<REGION_TO_SEGMENTATION>" + place]
    asked += ["<REGION_TO_CATEGORY>" + place, "<REGION_TO_DESCRIPTION>" + place]
    if sign:
        asked.append("<REGION_TO_OCR>" + "".join(f"<loc_{bin}>" for bin in sign))
    return asked


@torch.no_grad()
def answers(folder: pathlib.Path) -> dict[str, dict[str, list[int]]]:
    """Picture -> prompt -> ids that transformers generates, in float32."""
    torch.set_num_threads(1)
    model = Florence2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder)
    found = {}
    for name in ASKED:
        picture = Image.open(ROOT / "samples" / name).convert("RGB")
        found[name] = {}
        for prompt in prompts(name):
            inputs = processor(images=picture, text=prompt, return_tensors="pt")
            ids = model.generate(**inputs)[0, 1:]  # without the start token
            found[name][prompt] = ids.tolist()
    return found


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    lines = [
        f'"{name}": {{\n'
        + ",\n".join(f" {json.dumps(p)}: {json.dumps(ids)}" for p, ids in asked.items())
        + "}"
        for name, asked in answers(MODEL).items()
    ]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
