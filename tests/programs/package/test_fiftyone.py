"""uffizi.fiftyone in FiftyOne's own apply_model."""

import mongo_stand_in  # noqa: F401 - first

import fiftyone
import numpy as np
import PIL.Image
import pytest

import uffizi.fiftyone


@pytest.fixture
def dataset(photos, request):
    dataset = fiftyone.Dataset.from_images_dir(str(photos), name=request.node.name)
    yield dataset
    dataset.delete()


def absolute(detection, result):
    x, y, width, height = detection.bounding_box
    return [
        x * result.width,
        y * result.height,
        (x + width) * result.width,
        (y + height) * result.height,
    ]


@pytest.mark.parametrize("batch_size", [None, 2])
def test_detections_of_a_dataset(dataset, model, batch_size):
    ours = uffizi.fiftyone.Model("<OD>", model=model)
    dataset.apply_model(ours, label_field="things", batch_size=batch_size)
    assert len(dataset) == 3
    for sample in dataset:
        result = model(sample.filepath, "<OD>")
        assert [found.label for found in sample.things.detections] == [
            r.label for r in result.regions
        ]
        assert result.regions
        for found, region in zip(sample.things.detections, result.regions):
            assert absolute(found, result) == pytest.approx(list(region.bounds), abs=0.01)
            assert found.confidence == pytest.approx(region.score, rel=1e-3)
    assert dataset.count("things.detections") > 3


def test_confidence_threshold_and_filters(dataset, model):
    every = uffizi.fiftyone.Model("<OD>", model=model)
    dataset.apply_model(every, label_field="every")
    scores = sorted(dataset.values("every.detections.confidence", unwind=True))
    middle = scores[len(scores) // 2]
    dataset.apply_model(every, label_field="theirs", confidence_thresh=middle)
    some = uffizi.fiftyone.Model("<OD>", model=model, min_score=middle)
    dataset.apply_model(some, label_field="ours")
    theirs = dataset.values("theirs.detections.label")
    assert dataset.values("ours.detections.label") == theirs
    assert 0 < sum(map(len, theirs)) < len(scores)


def test_text_and_fields_of_prompts(dataset, model):
    dataset.apply_model(uffizi.fiftyone.Model("<CAPTION>", model=model), label_field="caption")
    for sample in dataset.iter_samples(autosave=True):
        assert sample.caption.label == model(sample.filepath, "<CAPTION>").caption
        sample["phrases"] = sample.caption.label
    task = "<CAPTION_TO_PHRASE_GROUNDING>"
    for batch_size in (None, 2):
        grounding = uffizi.fiftyone.Model(task, model=model, text_field="phrases")
        dataset.apply_model(grounding, label_field="grounded", batch_size=batch_size)
        for sample in dataset:
            expected = model(sample.filepath, task, text=sample.phrases)
            labels = [found.label for found in sample.grounded.detections]
            assert labels == [region.label for region in expected.regions]


def test_outlines_and_masks(model, pictures):
    segment = uffizi.fiftyone.Model(
        "<REFERRING_EXPRESSION_SEGMENTATION>", model=model, text="the house"
    )
    result = model(
        pictures / "village.jpg", "<REFERRING_EXPRESSION_SEGMENTATION>", text="the house"
    )
    label = segment.predict(result.pixels)
    (polyline,) = label.polylines
    assert polyline.closed and polyline.filled
    outline = np.array(polyline.points[0]) * (result.width, result.height)
    np.testing.assert_allclose(outline.reshape(-1), result.regions[0].polygons[0], atol=0.01)
    mask = polyline.to_segmentation(frame_size=(result.width, result.height)).mask > 0
    ours = result.masks()[0]
    assert (mask & ours).sum() / (mask | ours).sum() > 0.95  # two ways to fill a polygon
    quads = uffizi.fiftyone.Model("<OCR_WITH_REGION>", model=model).predict(
        np.asarray(PIL.Image.open(pictures / "shop.jpg"))
    )
    assert all(len(line.points[0]) == 4 for line in quads.polylines) and quads.polylines
