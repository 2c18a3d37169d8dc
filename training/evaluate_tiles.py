"""Measure the effect of tiles: pictures of four times a scene's side, each sixteen held-out scenes, asked
with and without `--tiles`. Recall of things (IoU 0.5 and the right name), words read, and false boxes for
each scene's area."""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from evalset import held_out
from metrics import box_iou
from PIL import Image

ACROSS = 4  # scenes in a row and in a column
CELL = 640  # pixels of a scene's side


def mosaic(scenes: list[tuple[Path, dict]]) -> tuple[Image.Image, list[dict], Counter[str]]:
    """The picture, its things and its words."""
    picture = Image.new("RGB", (ACROSS * CELL, ACROSS * CELL))
    things, words = [], Counter[str]()
    for i, (path, truth) in enumerate(scenes):
        left, top = i % ACROSS * CELL, i // ACROSS * CELL
        scale_x, scale_y = CELL / truth["width"], CELL / truth["height"]
        with Image.open(path) as scene:
            picture.paste(
                scene.convert("RGB").resize((CELL, CELL), Image.Resampling.LANCZOS), (left, top)
            )
        for thing in truth["things"]:
            x1, y1, x2, y2 = thing["box"]
            box = [left + x1 * scale_x, top + y1 * scale_y, left + x2 * scale_x, top + y2 * scale_y]
            things.append({"name": thing["name"], "box": box})
        words.update(word.lower() for text in truth["words"] for word in text.split())
    return picture, things, words


def ask(command: list[str], picture: Path) -> dict[str, Any]:
    run = subprocess.run([*command, str(picture)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(command)} {picture}\n{run.stderr or run.stdout}")
    return {row["task"]: row["result"] for row in map(json.loads, run.stdout.splitlines())}


def score(things: list[dict], words: Counter[str], answers: dict[str, Any]) -> Counter[str]:
    found = answers["<OD>"]
    free = list(zip(found["labels"], found["bboxes"], strict=True))
    hits = 0
    for thing in things:
        same = [
            one for one in free if one[0] == thing["name"] and box_iou(one[1], thing["box"]) >= 0.5
        ]
        if same:
            free.remove(max(same, key=lambda one: box_iou(one[1], thing["box"])))
            hits += 1
    read = Counter(word.lower() for word in answers["<OCR>"].split())
    return Counter(
        things=len(things),
        found=hits,
        false=len(free),
        words=words.total(),
        read=(words & read).total(),
        invented=(read - words).total(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uffizi", default="build/release/bin/uffizi")
    parser.add_argument("--model")
    parser.add_argument("--data", type=Path, default=Path("build/training"))
    parser.add_argument("--mosaics", type=int, default=6, help="pictures of sixteen scenes each")
    parser.add_argument("--tiles", default="auto")
    parser.add_argument("--min-score", type=float, help="of all answers (default: the command's)")
    parser.add_argument("--work", type=Path, default=Path("build/tiles"))
    options = parser.parse_args()
    scenes = held_out(options.data, "seen", options.mosaics * ACROSS * ACROSS)
    options.work.mkdir(parents=True, exist_ok=True)
    base = [
        options.uffizi,
        "annotate",
        "--format",
        "jsonl",
        "--quiet",
        "--task",
        "od",
        "--task",
        "ocr",
    ]
    if options.model:
        base += ["--model", options.model]
    if options.min_score is not None:
        base += ["--min-score", str(options.min_score)]
    totals = {"whole": Counter[str](), options.tiles: Counter[str]()}
    for i in range(options.mosaics):
        path = options.work / f"{os.getpid()}-{i}.png"
        picture, things, words = mosaic(scenes[i * ACROSS**2 : (i + 1) * ACROSS**2])
        picture.save(path)
        for name, total in totals.items():
            tiles = [] if name == "whole" else ["--tiles", name]
            total.update(score(things, words, ask([*base, *tiles], path)))
        path.unlink()
    scenes_asked = options.mosaics * ACROSS**2
    print(
        f"{scenes_asked} scenes in {options.mosaics} pictures of {ACROSS * CELL} x {ACROSS * CELL}"
    )
    print("| tiles | things found | false boxes a scene | words read | words invented a scene |")
    print("|---|---|---|---|---|")
    for name, t in totals.items():
        print(
            f"| {name} | {t['found'] / t['things']:.3f} of {t['things']} | {t['false'] / scenes_asked:.2f} | "
            f"{t['read'] / max(1, t['words']):.3f} of {t['words']} | {t['invented'] / scenes_asked:.2f} |"
        )


if __name__ == "__main__":
    main()
