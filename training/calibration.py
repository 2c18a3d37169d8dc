"""How far scores can be trusted: of the regions with a score of about 0.8, eight of ten should be right. A region is
right if its label is, and if its IoU with a thing of that label that no better one has taken is at least 0.5."""

from typing import Any

import numpy as np

from metrics import Answers, Truths, box_iou, polygons_iou

BINS = 10
Found = list[tuple[float, bool]]  # of each region: its score, and whether it is right
Row = dict[str, float]  # of the regions whose scores lie in one tenth of 0..1


def found_boxes(truths: Truths, answers: Answers) -> Found:
    """Of `<OD>`."""
    found = []
    for truth, answer in zip(truths, answers, strict=True):
        known: dict[str, list[list[float]]] = {}
        for thing in truth["things"]:
            known.setdefault(thing["name"], []).append(thing["box"])
        found += _match(known, answer)
    return found


def found_phrases(truths: Truths, answers: Answers) -> Found:
    """Of `<CAPTION_TO_PHRASE_GROUNDING>`."""
    found = []
    for truth, answer in zip(truths, answers, strict=True):
        found += _match({k: list(boxes) for k, boxes in truth["phrases"].items()}, answer)
    return found


def found_masks(truths: Truths, answers: Answers) -> Found:
    """Of `<REFERRING_EXPRESSION_SEGMENTATION>`: the first instance is right if its pixels are."""
    found = []
    for truth, answer in zip(truths, answers, strict=True):
        for i, (polygons, score) in enumerate(
            zip(answer["polygons"], answer["scores"], strict=True)
        ):
            if score is not None:
                found.append((score, i == 0 and polygons_iou(truth, [polygons]) >= 0.5))
    return found


def _match(known: dict[str, list[list[float]]], answer: dict[str, Any]) -> Found:
    """As pycocotools does: the surest region first, each takes the best of what is left."""
    regions = zip(answer["scores"], answer["labels"], answer["bboxes"], strict=True)
    found = []
    for score, label, box in sorted(
        (r for r in regions if r[0] is not None), key=lambda r: r[0], reverse=True
    ):
        free = known.get(label.lower(), [])
        best = max(free, key=lambda other: box_iou(box, other), default=None)
        right = best is not None and box_iou(box, best) >= 0.5
        if right:
            free.remove(best)
        found.append((score, right))
    return found


def reliability(found: Found) -> list[Row]:
    """The tenths of 0..1 that scores lie in: how many, their mean, and the share that is right."""
    rows = []
    for i in range(BINS):
        here = [(s, right) for s, right in found if min(int(s * BINS), BINS - 1) == i]
        if here:
            scores, rights = zip(*here, strict=True)
            rows.append({"regions": len(here), "score": np.mean(scores), "right": np.mean(rights)})
    return [{name: float(value) for name, value in row.items()} for row in rows]


def expected_calibration_error(rows: list[Row]) -> float:
    """The mean distance of score and share that is right, each tenth by its regions (Guo et al. 2017)."""
    regions = sum(row["regions"] for row in rows)
    return sum(row["regions"] * abs(row["score"] - row["right"]) for row in rows) / max(regions, 1)


def trust(found: Found, threshold: float = 0.5) -> dict[str, Any]:
    """All that is told of the scores of one task."""
    rows = reliability(found)
    kept = [right for score, right in found if score >= threshold]
    rights = sum(right for _, right in found)
    return {
        "regions": len(found),
        "right": rights / max(len(found), 1),
        "ece": expected_calibration_error(rows),
        "precision": sum(kept) / max(len(kept), 1),
        "kept": sum(kept) / max(rights, 1),
        "reliability": rows,
    }
