"""Accuracy metrics; every figure is between 0 and 1."""

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from answers import NUMBERS
from things import CLASS_NAMES, plural

Truths = list[dict[str, Any]]
Answers = list[Any]
PLURALS = {plural(name): name for name in CLASS_NAMES}


def detection_ap(truths: Truths, answers: Answers) -> tuple[float, float]:
    """pycocotools' AP at IoU 0.50 and at 0.50 to 0.95, over the classes that occur."""
    images, annotations, detections = [], [], []
    category = {name: i + 1 for i, name in enumerate(CLASS_NAMES)}
    for image, (truth, answer) in enumerate(zip(truths, answers, strict=True), start=1):
        images.append({"id": image, "width": truth["width"], "height": truth["height"]})
        for thing in truth["things"]:
            box = corner_and_size(thing["box"])
            known = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": category[thing["name"]],
            }
            annotations.append(known | {"bbox": box, "area": box[2] * box[3], "iscrowd": 0})
        scores = answer["scores"]
        for box, label, score in zip(answer["bboxes"], answer["labels"], scores, strict=True):
            if label in category:
                found = {"image_id": image, "category_id": category[label], "score": score}
                detections.append(found | {"bbox": corner_and_size(box)})
    with contextlib.redirect_stdout(io.StringIO()):
        known_set = COCO()
        known_set.dataset = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": i, "name": name} for name, i in category.items()],
        }
        known_set.createIndex()
        if not detections:
            return 0.0, 0.0
        evaluation = COCOeval(known_set, known_set.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1]), float(evaluation.stats[0])


def corner_and_size(box: Sequence[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def caption_counts(caption: str) -> dict[str, int]:
    """'Two cats and a dog on a green background.' -> {'cat': 2, 'dog': 1}."""
    counts: dict[str, int] = {}
    things = re.split(" on (?:an? |grass|gravel)", caption.lower())[0]
    for phrase in re.split(", | and ", things):
        number, _, name = phrase.strip(" .").partition(" ")
        count = 1 if number in ("a", "an") else NUMBERS.index(number) if number in NUMBERS else 0
        name = name if count == 1 else PLURALS.get(name, name)
        counts[name] = counts.get(name, 0) + count
    return counts


def caption_accuracy(truths: Truths, answers: Answers) -> float:
    """The share of captions that name exactly the things there, each in its number."""
    return mean([caption_counts(a) == t["counts"] for t, a in zip(truths, answers, strict=True)])


def ocr_accuracy(truths: Truths, answers: Answers) -> float:
    """The share of pictures with words whose words are all read, letter by letter and in order."""
    return mean(
        [
            a.strip() == " ".join(t["words"])
            for t, a in zip(truths, answers, strict=True)
            if t["words"]
        ]
    )


def grounding_accuracy(truths: Truths, answers: Answers) -> float:
    """The share of a caption's phrases that got a box (IoU 0.5 or more) for each thing they mean, and no other."""
    right = []
    for truth, answer in zip(truths, answers, strict=True):
        for phrase, boxes in truth["phrases"].items():
            given = [
                b
                for b, label in zip(answer["bboxes"], answer["labels"], strict=True)
                if label.lower() == phrase
            ]
            right.append(len(given) == len(boxes) and all_matched(boxes, given))
    return mean(right)


def all_matched(boxes: list[list[float]], given: list[list[float]]) -> bool:
    """Whether each box has one of its own among those given."""
    free = list(given)
    for box in boxes:
        best = max(free, key=lambda other: box_iou(box, other))
        if box_iou(box, best) < 0.5:
            return False
        free.remove(best)
    return True


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared) if areas > shared else 0.0


def segmentation_iou(truths: Truths, answers: Answers) -> float:
    """Mean IoU of the polygons drawn for a referring expression with the thing's seen mask."""
    return mean([polygons_iou(t, a["polygons"]) for t, a in zip(truths, answers, strict=True)])


def polygons_iou(truth: dict[str, Any], instances: list[list[list[float]]]) -> float:
    """Of the pixels of all instances with those of the thing that was referred to."""
    drawn = Image.new("1", (truth["width"], truth["height"]))
    draw = ImageDraw.Draw(drawn)
    for polygons in instances:
        for polygon in polygons:
            if len(polygon) >= 6:
                draw.polygon([float(v) for v in polygon], fill=1)
    mask = coco_mask.decode(truth["things"][truth["target"]]["mask"]).astype(bool)
    found = np.asarray(drawn)
    return float((found & mask).sum() / (found | mask).sum())


def mean(values: list[Any]) -> float:
    return float(np.mean(values)) if values else 0.0


def rejected(answers: Answers, threshold: float = 0.5) -> float:
    """The share of answers about things that are not in the picture with no region of at least this score."""
    surest = [
        max((s for s in answer["scores"] if s is not None), default=0.0) for answer in answers
    ]
    return sum(score < threshold for score in surest) / max(len(answers), 1)
