"""The held-out scenes: the same ones every time, with the questions asked about each and what is true."""

import json
import random
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from answers import caption, count_phrase, groups, referring_words
from scenes import Limits, Scene, Studio

EVAL_LIMITS = Limits(sides=(560, 720))


def truth_of(scene: Scene, rng: random.Random) -> dict:
    """All that the metrics compare with. Boxes and quads in pixels; masks as COCO run lengths."""
    things = []
    for thing in scene.things:
        mask = coco_mask.encode(np.asfortranarray(thing.mask.astype(np.uint8)))
        mask["counts"] = mask["counts"].decode()
        things.append({"name": thing.name, "box": thing.box, "mask": mask})
    referred, target = referring_words(scene, rng)
    phrases = {count_phrase(name, len(group)): [t.box for t in group] for name, group in groups(scene).items()}
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
    }


def held_out(folder: Path, group: str, count: int) -> list[tuple[Path, dict]]:
    """Pictures and truths of a group ('seen' or 'unseen' styles), drawn where they are not there yet."""
    out = folder / "eval" / group
    out.mkdir(parents=True, exist_ok=True)
    studio: Studio | None = None
    found = []
    for i in range(count):
        picture, truth = out / f"{i:04}.png", out / f"{i:04}.json"
        if not truth.exists():
            studio = studio or Studio(folder, seen=group == "seen")
            rng = random.Random(f"held out {group} {i}")
            scene = studio.scene(rng, EVAL_LIMITS)
            scene.picture.save(picture)
            truth.write_text(json.dumps(truth_of(scene, rng)))
        found.append((picture, json.loads(truth.read_text())))
    return found
