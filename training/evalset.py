"""The held-out scenes: the same ones every time, with the questions asked about each and what is true."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from answers import absent_name, caption, count_phrase, groups, referring_words
from scenes import HELD_OUT, Limits, Scene, Studio

EVAL_LIMITS = Limits(sides=(560, 720))
SOURCES = (
    "answers.py",
    "backgrounds.py",
    "drawings.py",
    "evalset.py",
    "package-lock.json",
    "rasterize.py",
    "scenes.py",
    "sprites.py",
    "things.py",
)


def held_out_scene(studio: Studio, name: str) -> tuple[Scene, random.Random]:
    """A scene that training never draws: its random numbers have other seeds than training's."""
    rng = random.Random(f"held out {name}")
    return studio.scene(rng, EVAL_LIMITS), rng


def truth_of(scene: Scene, rng: random.Random) -> dict:
    """The ground truth for the metrics, and the name of something that is not there. Boxes in pixels; masks as COCO
    run lengths."""
    things = []
    for thing in scene.things:
        mask = coco_mask.encode(np.asfortranarray(thing.mask.astype(np.uint8)))
        mask["counts"] = mask["counts"].decode()
        things.append({"name": thing.name, "box": thing.box, "mask": mask})
    referred, target = referring_words(scene, rng)
    phrases = {
        count_phrase(name, len(group)): [t.box for t in group]
        for name, group in groups(scene).items()
    }
    return {
        "width": scene.picture.width,
        "height": scene.picture.height,
        "things": things,
        "words": [sign.text for sign in scene.signs],
        "caption": caption(scene, rng)[1],
        "counts": {name: len(group) for name, group in groups(scene).items()},
        "phrases": phrases,
        "referred": referred,
        "target": next(i for i, thing in enumerate(scene.things) if thing is target),
        "absent": absent_name(scene, rng),
    }


def recipe_id() -> str:
    """Changes whenever anything changes that the scenes depend on."""
    sources = (Path(__file__).with_name(name).read_bytes() for name in SOURCES)
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


def held_out(folder: Path, group: str, count: int) -> list[tuple[Path, dict]]:
    """Pictures and truths of a group of HELD_OUT, drawn where they are not there yet."""
    out = folder / "eval" / recipe_id() / group
    out.mkdir(parents=True, exist_ok=True)
    studio: Studio | None = None
    found = []
    for i in range(count):
        picture, truth = out / f"{i:04}.png", out / f"{i:04}.json"
        if not truth.exists():
            studio = studio or Studio(folder, HELD_OUT[group])
            scene, rng = held_out_scene(studio, f"{group} {i}")
            scene.picture.save(picture)
            truth.write_text(json.dumps(truth_of(scene, rng)))
        found.append((picture, json.loads(truth.read_text())))
    return found
