"""The answers about a scene, read back by the `uffizi` command, say what is true of it."""

import json
import os
import random
import subprocess

import answers
import numpy as np
import pytest
from conftest import DRAWINGS
from PIL import Image, ImageDraw
from things import plural

NUMBERS = range(25)


def parse(task: str, asked: list[tuple]) -> list:
    """Results of (scene, answer)s, as `uffizi parse` reads them."""
    lines = [json.dumps({"size": scene.picture.size, "text": answer}) for scene, answer in asked]
    command = [os.environ["UFFIZI_COMMAND"], "parse", "--task", task]
    run = subprocess.run(
        command, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return [json.loads(line)["result"] for line in run.stdout.splitlines()]


@pytest.fixture
def answered(draw_scene):
    """answered(task): (scene, the task's input, the parsed result) of many scenes."""

    def ask(task: str) -> list[tuple]:
        scenes = [
            scene for scene in map(draw_scene, NUMBERS) if task in answers.possible_tasks(scene)
        ]
        pairs = [answers.TASKS[task](scene, random.Random(i)) for i, scene in enumerate(scenes)]
        results = parse(
            task, [(scene, answer) for scene, (_, answer) in zip(scenes, pairs, strict=True)]
        )
        return [
            (s, given, result) for s, (given, _), result in zip(scenes, pairs, results, strict=True)
        ]

    return ask


def assert_near(scene, found, expected):
    """Coordinates x, y, ... equal to half a location bin (and what exclusive ends lose at the picture's edge)."""
    found, expected = np.array(found, float), np.array(expected, float)
    assert found.shape == expected.shape
    bins = np.resize(np.array(scene.picture.size) / 1000, found.shape[-1])
    assert (np.abs(found - expected) <= 0.5001 * bins).all()


def test_detection(answered):
    for scene, _, result in answered("<OD>"):
        assert result["labels"] == [thing.name for thing in scene.things]
        assert_near(scene, result["bboxes"], [thing.box for thing in scene.things])


@pytest.mark.parametrize("task", ["<DENSE_REGION_CAPTION>", "<REGION_PROPOSAL>"])
def test_regions(answered, task):
    for scene, _, result in answered(task):
        described = {thing.box: thing.description for thing in scene.things}
        described |= {sign.box: f"sign that says {sign.text}" for sign in scene.signs}
        boxes = sorted(described, key=lambda box: box[0])
        assert_near(scene, result["bboxes"], boxes)
        if task == "<DENSE_REGION_CAPTION>":
            assert result["labels"] == [described[box] for box in boxes]


def test_ocr_with_region(answered):
    for scene, _, result in answered("<OCR_WITH_REGION>"):
        assert result["labels"] == [sign.text for sign in scene.signs]
        if scene.signs:
            assert_near(scene, result["quad_boxes"], [sign.quad for sign in scene.signs])


def test_ocr(answered):
    for scene, _, result in answered("<OCR>"):
        assert result == " ".join(sign.text for sign in scene.signs)


@pytest.mark.parametrize("task", ["<CAPTION>", "<DETAILED_CAPTION>", "<MORE_DETAILED_CAPTION>"])
def test_captions_name_and_count_everything(answered, task):
    for scene, _, result in answered(task):
        for name in DRAWINGS:
            count = sum(thing.name == name for thing in scene.things)
            number = (
                "",
                name,
                *(f"{n} {plural(name)}" for n in ("two", "three", "four", "five", "six")),
            )[count]
            assert number in result.lower() if count else name not in result.lower()
        if task != "<CAPTION>":
            assert all(f'"{sign.text}"' in result for sign in scene.signs)


def is_named(thing, words: str) -> bool:
    return thing.name in words.lower() or plural(thing.name) in words.lower()


def test_grounding(answered):
    """Of what the caption names, what is there has boxes; what is not there has none."""
    answers_without = 0
    for scene, spoken, result in answered("<CAPTION_TO_PHRASE_GROUNDING>"):
        boxes = {tuple(np.round(t.box)): t for t in scene.things}
        assert bool(result["bboxes"]) == any(is_named(thing, spoken) for thing in scene.things)
        answers_without += not result["bboxes"]
        for box, label in zip(result["bboxes"], result["labels"], strict=True):
            assert label in spoken
            nearest = min(boxes, key=lambda other: np.abs(np.subtract(other, box)).max())
            assert_near(scene, box, boxes[nearest].box)
            assert is_named(boxes[nearest], label)
    assert answers_without


def test_open_vocabulary_detection(answered):
    for scene, asked, result in answered("<OPEN_VOCABULARY_DETECTION>"):
        expected = [t for name in asked.split(" <and> ") for t in scene.things if t.name == name]
        assert result["bboxes_labels"] == [thing.name for thing in expected]
        if expected:
            assert_near(scene, result["bboxes"], [thing.box for thing in expected])


@pytest.mark.parametrize(
    "task", ["<REFERRING_EXPRESSION_SEGMENTATION>", "<REGION_TO_SEGMENTATION>"]
)
def test_polygons_cover_one_mask(answered, task):
    ious = []
    for scene, asked, result in answered(task):
        if not result["polygons"]:
            assert task == "<REFERRING_EXPRESSION_SEGMENTATION>"
            assert not any(is_named(thing, asked) for thing in scene.things)
            continue
        [[polygon]] = result["polygons"]
        drawn = Image.new("1", scene.picture.size)
        ImageDraw.Draw(drawn).polygon(polygon, fill=1)
        covered = np.asarray(drawn)
        ious.append(max((covered & t.mask).sum() / (covered | t.mask).sum() for t in scene.things))
    assert min(ious) > 0.6 and np.mean(ious) > 0.88


def region_box(scene, region: str) -> np.ndarray:
    bins = [int(part.strip("<>").removeprefix("loc_")) for part in region.split("><")]
    return (np.array(bins) + 0.5) / 1000 * np.array([*scene.picture.size] * 2)


@pytest.mark.parametrize(
    "task", ["<REGION_TO_CATEGORY>", "<REGION_TO_DESCRIPTION>", "<REGION_TO_OCR>"]
)
def test_regions_asked_about(answered, task):
    for scene, region, result in answered(task):
        words = {"<REGION_TO_CATEGORY>": ("name", lambda sign: "sign")}.get(
            task, ("description", answers.sign_words)
        )
        known = (
            []
            if task == "<REGION_TO_OCR>"
            else [(t.box, getattr(t, words[0])) for t in scene.things]
        )
        says = (lambda sign: sign.text) if task == "<REGION_TO_OCR>" else words[1]
        known += [(sign.box, says(sign)) for sign in scene.signs]
        box, expected = min(
            known, key=lambda item: np.abs(np.subtract(item[0], region_box(scene, region))).max()
        )
        assert result == expected


def test_referring_words_mean_one_thing(draw_scene):
    for number in NUMBERS:
        scene = draw_scene(number)
        words, thing = answers.referring_words(scene, random.Random(number))
        assert thing.name in words
        alike = [t for t in scene.things if t.name == thing.name and t is not thing]
        if words.removeprefix("the ").removeprefix("a ") == thing.name:
            assert not alike
