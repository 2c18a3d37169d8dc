"""The figures of the evaluation: all right is 1, and each kind of error costs where it should."""

import copy
import random
from collections import Counter

import metrics
import pytest
from evalset import truth_of
from metrics import (
    caption_accuracy,
    caption_counts,
    detection_ap,
    grounding_accuracy,
    ocr_accuracy,
    segmentation_iou,
)
from things import CLASS_NAMES, plural, with_article


@pytest.fixture
def truths(draw_scene):
    return [truth_of(draw_scene(number), random.Random(number)) for number in range(20)]


def detected(truth) -> dict:
    return {
        "bboxes": [t["box"] for t in truth["things"]],
        "labels": [t["name"] for t in truth["things"]],
        "scores": [1.0] * len(truth["things"]),
    }


def grounded(truth) -> dict:
    pairs = [(box, phrase) for phrase, boxes in truth["phrases"].items() for box in boxes]
    return {"bboxes": [box for box, _ in pairs], "labels": [phrase for _, phrase in pairs]}


def test_the_truth_is_all_right(truths):
    assert detection_ap(truths, [detected(t) for t in truths]) == pytest.approx((1, 1))
    assert caption_accuracy(truths, [t["caption"] for t in truths]) == 1
    assert ocr_accuracy(truths, [" ".join(t["words"]) for t in truths]) == 1
    assert grounding_accuracy(truths, [grounded(t) for t in truths]) == 1


def test_detection_pays_for_places_and_names(truths):
    found = [detected(t) for t in truths]
    shifted = copy.deepcopy(found)
    for answer in shifted:  # by a tenth: IoU 0.82
        answer["bboxes"] = [
            (a + 0.1 * (c - a), b, c + 0.1 * (c - a), d) for a, b, c, d in answer["bboxes"]
        ]
    ap50, ap = detection_ap(truths, shifted)
    assert ap50 == pytest.approx(1) and 0.6 < ap < 0.8
    renamed = [answer | {"labels": ["zebra"] * len(answer["labels"])} for answer in found]
    assert detection_ap(truths, renamed) == (0, 0)
    twice = [{key: values * 2 for key, values in answer.items()} for answer in found]
    assert detection_ap(truths, twice)[0] < 1


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_captions_may_name_every_class(name):
    some = f"{with_article(name)}, three {plural(name)} and a tree on an orange background."
    assert caption_counts(some) == Counter({name: 4}) + Counter(tree=1)


def test_captions_are_counted():
    assert caption_counts("Two cats and a dog on a green background.") == {"cat": 2, "dog": 1}
    assert caption_counts("A cat, three people and a cat on grass.") == {"cat": 2, "person": 3}
    assert caption_counts("An umbrella on a starry sky.") == {"umbrella": 1}
    assert caption_counts("Five sheep and two buses on gravel.") == {"sheep": 5, "bus": 2}


def test_captions_and_words_pay(truths):
    assert caption_accuracy(truths, ["A zebra on grass."] * len(truths)) == 0
    assert ocr_accuracy(truths, ["nonsense"] * len(truths)) == 0
    assert any(not t["words"] for t in truths)  # those without words do not count


def test_grounding_pays_for_one_box_too_many(truths):
    more = [grounded(t) for t in truths]
    for answer in more:
        answer["bboxes"] = [*answer["bboxes"], answer["bboxes"][0]]
        answer["labels"] = [*answer["labels"], answer["labels"][0]]
    assert grounding_accuracy(truths, more) < 1
    empty = [{"bboxes": [], "labels": []} for _ in truths]
    assert grounding_accuracy(truths, empty) == 0


def test_segmentation_is_the_overlap(truths):
    def box_polygon(truth):
        x1, y1, x2, y2 = truth["things"][truth["target"]]["box"]
        return {"polygons": [[[x1, y1, x2, y1, x2, y2, x1, y2]]]}

    assert 0.6 < segmentation_iou(truths, [box_polygon(t) for t in truths]) < 0.97
    assert segmentation_iou(truths, [{"polygons": []} for _ in truths]) == 0


def test_iou():
    assert metrics.box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert metrics.box_iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0
