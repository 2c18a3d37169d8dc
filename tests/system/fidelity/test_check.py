"""uffizi check: what it says of two models is what pycocotools and plain counting say of their answers."""

import contextlib
import io
import json
import shutil

import pytest
from conftest import MODEL, SOURCE, run
from outliers import write_outliers
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SAMPLES = sorted(path for path in (SOURCE / "samples").iterdir() if path.suffix in (".jpg", ".png"))


def check(*arguments, code=0):
    return json.loads(run("check", *arguments, "--json", code=code).stdout)


def answers(model, compute):
    """By task, an answer for each sample."""
    tasks = ["--task", "od", "--task", "caption", "--task", "ocr"]
    done = run(
        "annotate", "--model", model, "--compute", compute, *tasks, "--format", "jsonl", *SAMPLES
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        task: [row["result"] for row in rows if row["task"] == task]
        for task in ("<OD>", "<CAPTION>", "<OCR>")
    }


def coco_ap50(truth, found):
    labels = sorted({label for answer in truth + found for label in answer["labels"]})
    category = {label: i + 1 for i, label in enumerate(labels)}

    def boxes(answers):
        for image, answer in enumerate(answers, start=1):
            for (x1, y1, x2, y2), label, score in zip(
                answer["bboxes"], answer["labels"], answer["scores"], strict=True
            ):
                box = [x1, y1, x2 - x1, y2 - y1]
                yield {
                    "image_id": image,
                    "category_id": category[label],
                    "bbox": box,
                    "score": score,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": [{"id": i + 1} for i in range(len(truth))],
            "annotations": [box | {"id": i + 1} for i, box in enumerate(boxes(truth))],
            "categories": [{"id": i, "name": name} for name, i in category.items()],
        }
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(list(boxes(found))), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1])


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """The model in few bits as they should not be: its channels differ, and nothing is smoothed."""
    root = tmp_path_factory.mktemp("spoilt")
    write_outliers(MODEL, root / "outliers", factor=130)
    run("quantize", root / "outliers", root / "int4", "--no-smoothing", "--group-size", 128)
    return root / "int4"


def test_says_what_pycocotools_says(spoilt):
    truth, found = answers(MODEL, "f32"), answers(spoilt, "int4")
    report = check(spoilt, "--against", MODEL, *SAMPLES)
    tasks = {entry["task"]: entry for entry in report["tasks"]}
    assert tasks["od"]["ap50"] == pytest.approx(coco_ap50(truth["<OD>"], found["<OD>"]), abs=1e-9)
    assert 0.05 < tasks["od"]["ap50"] < 0.99
    assert tasks["od"]["boxes"] == sum(len(answer["labels"]) for answer in truth["<OD>"])
    assert tasks["od"]["boxes_found"] == sum(len(answer["labels"]) for answer in found["<OD>"])
    for name, task in (("caption", "<CAPTION>"), ("ocr", "<OCR>")):
        pairs = list(zip(truth[task], found[task], strict=True))
        assert tasks[name]["exact"] == sum(a == b for a, b in pairs)
        assert tasks[name]["characters"] == sum(len(a) for a, _ in pairs)
        least = sum(abs(len(a) - len(b)) for a, b in pairs)
        assert least <= tasks[name]["edits"] <= sum(max(len(a), len(b)) for a, b in pairs)
        assert tasks[name]["loss"] == pytest.approx(
            100 * tasks[name]["edits"] / tasks[name]["characters"]
        )
    assert report["loss"] == max(entry["loss"] for entry in report["tasks"])
    assert report["pictures"] == len(SAMPLES)
    assert report["next_token"]["agreement"] < 0.9
    assert report["next_token"]["kl_divergence"] > 0.005


def test_a_model_agrees_with_itself():
    report = check(MODEL, "--compute", "f32", *SAMPLES[:3])
    assert report["loss"] == 0
    assert report["next_token"]["same"] == report["next_token"]["tokens"] > 50
    assert report["next_token"]["kl_divergence"] == 0
    for entry in report["tasks"]:
        assert entry["exact"] == entry["answers"] == 3


def test_four_bits_are_the_default_against_oneself():
    report = check(MODEL, *SAMPLES[:3])
    assert report["compute"] == "int4"
    assert 0 < report["next_token"]["kl_divergence"] < 0.1
    assert report["resident_bytes"] < report["against_resident_bytes"] / 4
    text = run("check", MODEL, *SAMPLES[:3], "--quiet").stdout.decode()
    assert "AP50" in text and "edits for each 100 characters" in text and "KL divergence" in text


def test_pictures_that_cannot_be_read_are_told(tmp_path):
    shutil.copy(SAMPLES[0], tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    report = check(MODEL, tmp_path, code=1)
    assert (report["pictures"], report["pictures_failed"]) == (1, 1)
    done = run("check", MODEL, tmp_path / "broken.png", code=2)
    assert b"no picture" in done.stderr


def test_tasks_can_be_chosen():
    report = check(MODEL, "--task", "detailed_caption", SAMPLES[0])
    assert [entry["task"] for entry in report["tasks"]] == ["detailed_caption"]
    done = run("check", MODEL, "--task", "grounding", SAMPLES[0], code=2)
    assert b"needs text" in done.stderr
    assert b"no task is called" in run("check", MODEL, "--task", "x", SAMPLES[0], code=2).stderr


def ask(model, compute, picture, *question):
    arguments = ["--model", model, "--compute", compute, *question, "--format", "jsonl", picture]
    return json.loads(run("annotate", *arguments).stdout)["result"]


def test_follow_ups_are_asked_about_the_answers_in_f32(spoilt):
    truth, found = [], []
    for picture in SAMPLES:
        caption = ask(MODEL, "f32", picture, "--task", "caption")
        question = ("--task", "grounding", "--text", caption)
        truth.append(ask(MODEL, "f32", picture, *question))
        found.append(ask(spoilt, "int4", picture, *question))
    report = check(spoilt, "--against", MODEL, *SAMPLES, "--task", "caption", "--then", "grounding")
    caption, grounding = report["tasks"]
    assert caption["task"] == "caption"
    assert grounding["task"] == "caption > caption_to_phrase_grounding"
    assert grounding["answers"] == len(SAMPLES)
    assert grounding["ap50"] == pytest.approx(coco_ap50(truth, found), abs=1e-9)
    assert grounding["boxes"] == sum(len(answer["labels"]) for answer in truth)
    assert grounding["exact"] == sum(a == b for a, b in zip(truth, found, strict=True))


def test_regions_of_all_shapes_are_compared():
    chain = ["--task", "od", "--then", "segmentation", "--task", "ocr_with_region"]
    chain += ["--task", "od", "--then", "region_to_category"]
    report = check(MODEL, "--compute", "f32", *SAMPLES[:3], *chain)
    names = [entry["task"] for entry in report["tasks"]]
    assert names[1:3] == ["od > referring_expression_segmentation", "ocr_with_region"]
    assert names[4] == "od > region_to_category"
    assert report["loss"] == 0
    for entry in report["tasks"]:
        assert entry["exact"] == entry["answers"] > 0
    assert report["tasks"][1]["boxes"] >= 3 and report["tasks"][4]["characters"] > 6
