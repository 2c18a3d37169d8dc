"""Regenerate samples/: held-out scenes that show what the included model can do."""

import argparse
from pathlib import Path

from evalset import held_out_scene
from scenes import HELD_OUT, Studio

# File name -> the group of drawing styles, and the number of the scene.
SAMPLES = {
    "football.jpg": ("seen", 0),
    "meadow.jpg": ("seen", 10),
    "space.jpg": ("seen", 66),
    "shop.jpg": ("seen", 67),
    "stripes.jpg": ("seen", 79),
    "village.jpg": ("seen", 83),
    "penguins.jpg": ("unseen", 0),
    "aquarium.png": ("unseen", 4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/training"))
    parser.add_argument("--out", type=Path, default=Path("samples"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    studios = {group: Studio(options.data, HELD_OUT[group]) for group in ("seen", "unseen")}
    for name, (group, number) in SAMPLES.items():
        scene, _ = held_out_scene(studios[group], f"sample {group} {number}")
        scene.picture.save(options.out / name, quality=88)


if __name__ == "__main__":
    main()
