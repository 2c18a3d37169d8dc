"""Write tests/data/tasks/scores.json: answers, the distribution of each of their locations, and the regions' scores as
numpy works them out from docs/model.md's formula.

A distribution is [center, width, mass]: of the 1000 locations, b has mass * w(b) / sum(w) with
w(b) = exp(-|b - center| / width); the rest of 1 is not a location. An item of "tokens" is ["text", its probability] or
[location, distribution]."""

import json
import random
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).parents[1] / "data/tasks/scores.json"
DISTANCES = [0, *(2**i for i in range(8))]
TOLERANCE = (1 - np.sqrt(0.5)) / 2


def within(location, distribution, distance):
    center, width, mass = distribution
    bins = np.arange(1000)
    weights = np.exp(-np.abs(bins - center) / width)
    p = mass * weights / weights.sum()
    stored = [p[np.abs(bins - location) <= d].sum() for d in DISTANCES]
    return np.interp(distance, DISTANCES, stored)


def score(words, locations, distributions):
    """Of a region with these locations x, y, x, y, ..."""
    logs = []
    for axis in (0, 1):
        values, shapes = locations[axis::2], distributions[axis::2]
        tolerance = TOLERANCE * max(1, np.ptp(values))
        logs += [np.log(within(v, shape, tolerance)) for v, shape in zip(values, shapes)]
    return words * np.exp(4 * np.mean(logs))


def distribution(rng, location):
    center = location + rng.choice([0, 0, 0.5, -2, 7])
    return [center, rng.choice([0.3, 1, 4, 15, 60]), rng.choice([0.999, 0.95, 0.7])]


def case(rng, task):
    """One label and one region."""
    words = [round(rng.uniform(0.3, 1), 3) for _ in range(rng.randint(1, 3))]
    if task == "<REFERRING_EXPRESSION_SEGMENTATION>":
        words = []
    points = {"<OD>": 2, "<OCR_WITH_REGION>": 4}.get(task, rng.randint(3, 12))
    x, y = rng.randint(0, 700), rng.randint(0, 700)
    size = rng.choice([3, 20, 90, 290])
    locations = [c + rng.randint(0, size) for _ in range(points) for c in (x, y)]
    shapes = [distribution(rng, location) for location in locations]
    tokens = [["text", p] for p in words] + [list(pair) for pair in zip(locations, shapes)]
    product = float(np.prod(words)) if words else 1.0
    return {"task": task, "tokens": tokens, "score": float(score(product, locations, shapes))}


def main():
    rng = random.Random(25)
    tasks = ["<OD>", "<OCR_WITH_REGION>", "<REFERRING_EXPRESSION_SEGMENTATION>"]
    cases = [case(rng, tasks[i % 3]) for i in range(60)]
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    OUTPUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
