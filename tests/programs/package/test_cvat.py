"""uffizi.cvat as CVAT's own driver uses an auto-annotation function; only the server is a stand-in."""

import io
import logging
import types

import cvat_sdk.auto_annotation.driver as driver
import cvat_sdk.models as models
import pytest
from PIL import Image

import uffizi.cvat

BOXES, OUTLINES = "<OPEN_VOCABULARY_DETECTION>", "<REFERRING_EXPRESSION_SEGMENTATION>"
NAMES = ("penguin", "building")


class Task:
    """A task of CVAT's with two pictures."""

    def __init__(self, *names):
        types_ = {"type": "any", "parent_id": None, "attributes": [], "sublabels": []}
        self.labels = [
            models.Label._from_openapi_data(id=70 + number, name=name, **types_)
            for number, name in enumerate(names)
        ]
        self.samples = []

    def add(self, path):
        media = types.SimpleNamespace(load_image=lambda: Image.open(io.BytesIO(path.read_bytes())))
        self.samples.append(
            types.SimpleNamespace(frame_name=path.name, frame_index=len(self.samples), media=media)
        )


@pytest.fixture
def annotate(monkeypatch, pictures):
    """annotate(function, ...): what CVAT would be sent."""

    def run(function, **options):
        task = Task(*NAMES)
        for name in ("penguins.jpg", "village.jpg"):
            task.add(pictures / name)
        monkeypatch.setattr(driver, "TaskDataset", lambda *args, **kwargs: task)
        sent = []
        api = types.SimpleNamespace(
            partial_update_annotations=lambda *args, patched_labeled_data_request: sent.append(
                patched_labeled_data_request
            )
        )
        client = types.SimpleNamespace(
            logger=logging.getLogger(), tasks=types.SimpleNamespace(api=api)
        )
        driver.annotate_task(client, 1, function, **options)
        return sent[0].shapes

    return run


def test_boxes(annotate, model, pictures):
    shapes = annotate(uffizi.cvat.create("penguin, building=house", model=model))
    expected = [
        (frame, 70 + label, list(region.bounds))
        for frame, name in enumerate(("penguins.jpg", "village.jpg"))
        for label, phrase in enumerate(("penguin", "house"))
        for region in model(pictures / name, (BOXES, phrase)).regions
    ]
    found = [(shape.frame, shape.label_id, list(shape.points)) for shape in shapes]
    assert len(found) > 2 and {label for _, label, _ in found} == {70, 71}
    assert [shape[:2] for shape in found] == [shape[:2] for shape in expected]
    for (*_, points), (*_, bounds) in zip(found, expected):
        assert points == pytest.approx(bounds)
    assert {shape.type.value for shape in shapes} == {"rectangle"}


def test_outlines(annotate, model):
    shapes = annotate(uffizi.cvat.create("penguin,building=house", model=model, task=OUTLINES))
    assert shapes and {shape.type.value for shape in shapes} == {"polygon"}
    assert all(len(shape.points) >= 6 for shape in shapes)


def test_the_threshold_of_cvat(annotate, model):
    function = uffizi.cvat.create("penguin,building=house", model=model)
    assert len(annotate(function, conf_threshold=0.999)) < len(annotate(function))


def test_labels_without_a_name(model):
    with pytest.raises(uffizi.ArgumentError, match="a name is empty"):
        uffizi.cvat.create("penguin,,house", model=model)
