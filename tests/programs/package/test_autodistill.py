"""uffizi.autodistill as autodistill uses a base model."""

import cv2
import numpy as np
import pytest
import supervision
import yaml
from autodistill.detection import CaptionOntology

import uffizi.autodistill

TASK = "<OPEN_VOCABULARY_DETECTION>"
ONTOLOGY = CaptionOntology({"house": "building", "turtle": "animal", "penguin": "animal"})


@pytest.fixture
def base(model):
    return uffizi.autodistill.Florence2(ONTOLOGY, model=model)


def test_predict(base, model, pictures):
    found = base.predict(str(pictures / "village.jpg"))
    assert isinstance(found, supervision.Detections)
    regions = [
        (place, region)
        for place, prompt in zip((0, 1, 1), ONTOLOGY.prompts())
        for region in model(pictures / "village.jpg", (TASK, prompt)).regions
    ]
    assert [int(i) for i in found.class_id] == [place for place, _ in regions] and len(regions) > 2
    np.testing.assert_allclose(found.xyxy, [region.bounds for _, region in regions], rtol=1e-4)
    np.testing.assert_allclose(found.confidence, [region.score for _, region in regions], rtol=1e-3)
    assert set(found.data["class_name"]) <= {"building", "animal"}
    # autodistill itself gives what OpenCV reads: blue first.
    array = cv2.imread(str(pictures / "aquarium.png"))
    np.testing.assert_allclose(
        base.predict(array).xyxy, base.predict(str(pictures / "aquarium.png")).xyxy, atol=0.5
    )
    assert len(base.predict(np.zeros((64, 64, 3), np.uint8) + 255)) >= 0


def test_label(base, photos, tmp_path):
    out = tmp_path / "labelled"
    dataset = base.label(str(photos), extension=".jpg", output_folder=str(out))
    assert dataset.classes == ["building", "animal", "animal"] and len(dataset) == 3
    described = yaml.safe_load((out / "data.yaml").read_text())
    assert described["nc"] == 3
    lines = [
        line.split()
        for file in out.glob("*/labels/*.txt")
        for line in file.read_text().splitlines()
    ]
    assert lines and all(line[0] in ("0", "1") for line in lines)
    assert all(0 <= float(number) <= 1 for line in lines for number in line[1:])
