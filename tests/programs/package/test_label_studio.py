"""Exports for Label Studio, against the validator that Label Studio publishes."""

import json
import os
import subprocess

import pytest
from label_studio_sdk.label_interface import LabelInterface
from label_studio_sdk.label_interface.objects import PredictionValue

TASKS = ["od", "dense_region_caption", "ocr_with_region", "caption", "region_proposal"]
INPUTS = [
    ("segmentation", "the house"),
    ("grounding", "a house and a turtle"),
    ("open_vocabulary", "house"),
]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, pictures):
    folder = tmp_path_factory.mktemp("export")
    (folder / "a folder").mkdir()
    for name in ("village.jpg", "shop.jpg"):
        (folder / "a folder" / name).write_bytes((pictures / name).read_bytes())
    command = [os.environ["UFFIZI_COMMAND"], "annotate", "a folder", "--label-studio", "tasks.json"]
    command += ["--label-studio-prefix", "/data/local-files/?d="]
    for task in TASKS:
        command += ["--task", task]
    for task, text in INPUTS:
        command += ["--task", task, "--text", text]
    subprocess.run(command, cwd=folder, check=True)
    return json.loads((folder / "tasks.json").read_text())


def interface(tasks):
    """The page's interface, with the labels that were found."""
    labels = {"box": set(), "polygon": set()}
    for task in tasks:
        for item in task["predictions"][0]["result"]:
            found = item["value"].get(item["type"], [])
            if item["from_name"] in labels:
                labels[item["from_name"]].update(found)

    def listed(name):
        return "".join(f"<Label value={json.dumps(label)}/>" for label in sorted(labels[name]))

    return LabelInterface(
        f"""<View><Image name="image" value="$image"/>
        <RectangleLabels name="box" toName="image">{listed("box")}</RectangleLabels>
        <PolygonLabels name="polygon" toName="image">{listed("polygon")}</PolygonLabels>
        <TextArea name="text" toName="image"/></View>"""
    )


def test_predictions_are_valid(tasks):
    label_studio = interface(tasks)
    kinds = set()
    assert len(tasks) == 2
    for task in tasks:
        assert task["data"]["image"].startswith("/data/local-files/?d=a%20folder/")
        (prediction,) = task["predictions"]
        assert label_studio.validate_prediction(prediction, return_errors=True) == []
        PredictionValue.model_validate(prediction)
        kinds |= {item["type"] for item in prediction["result"]}
        for item in prediction["result"]:
            value = item["value"]
            numbers = [value[key] for key in ("x", "y", "width", "height") if key in value]
            numbers += [number for point in value.get("points", []) for number in point]
            assert all(0 <= number <= 100 for number in numbers)  # percent
            assert item["original_width"] > 0 and item["image_rotation"] == 0
    assert kinds == {"rectanglelabels", "polygonlabels", "textarea"}


def test_the_validator_finds_what_is_wrong(tasks):
    label_studio = interface(tasks)
    broken = json.loads(json.dumps(tasks[0]["predictions"][0]))
    broken["result"][0]["from_name"] = "nobody"
    assert label_studio.validate_prediction(broken, return_errors=True)


def test_the_pages_interface_has_the_names(source):
    page = (source / "docs" / "programs.md").read_text()
    config = page[page.index("<View>") : page.index("</View>") + len("</View>")]
    label_studio = LabelInterface(config)
    for name in ("box", "polygon", "text"):
        assert label_studio.get_control(name).to_name == ["image"]
