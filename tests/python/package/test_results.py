import json
import pickle

import numpy as np
import PIL.Image
import pytest

import uffizi
from conftest import close
from uffizi import _native
from uffizi._results import make_answer

ANSWERS = {
    "<OD>": "<s>cat<loc_10><loc_20><loc_300><loc_400>t-shirt<loc_500><loc_500><loc_999><loc_999></s>",
    "<OCR_WITH_REGION>": "Caf\u00e9<loc_1><loc_2><loc_300><loc_2><loc_300><loc_90><loc_1><loc_90>",
    "<REFERRING_EXPRESSION_SEGMENTATION>": "<poly><loc_100><loc_100><loc_700><loc_120><loc_400><loc_800>"
    "<sep><loc_800><loc_800><loc_900><loc_800><loc_900><loc_900></poly>",
    "<OPEN_VOCABULARY_DETECTION>": "dog<loc_10><loc_20><loc_300><loc_400>",
    "<REGION_PROPOSAL>": "<loc_10><loc_20><loc_300><loc_400>",
    "<CAPTION>": "<s>A <b>cat</b> & a dog.</s>",
}


def result_of(task, text, width=200, height=100, pixels=None):
    shape, caption, regions = make_answer(_native.parse_answer(task, text, width, height))
    return uffizi.Result(
        task, "", text, [], shape, caption, regions, False, width, height, pixels=pixels
    )


@pytest.mark.parametrize("task", ANSWERS)
def test_to_dict_is_the_librarys_json(task):
    native = _native.parse_answer(task, ANSWERS[task], 200, 100)
    ours = result_of(task, ANSWERS[task]).to_dict()[task]
    assert close(json.loads(json.dumps(ours)), json.loads(native.to_json()))


@pytest.mark.parametrize("task", [task for task in ANSWERS if task != "<CAPTION>"])
def test_supervision_agrees_with_its_own_reader(task):
    import supervision

    result = result_of(task, ANSWERS[task])
    ours = result.to_supervision()
    theirs = supervision.Detections.from_vlm(
        supervision.VLM.FLORENCE_2, result.to_dict(), resolution_wh=(result.width, result.height)
    )
    # It cuts the corners of polygons to whole pixels.
    outlined = task == "<REFERRING_EXPRESSION_SEGMENTATION>"
    np.testing.assert_allclose(ours.xyxy, theirs.xyxy, atol=1 if outlined else 1e-3)
    if theirs.data.get("class_name") is not None:
        assert list(ours.data["class_name"]) == list(theirs.data["class_name"])
    if outlined:
        both, either = (ours.mask & theirs.mask).sum(), (ours.mask | theirs.mask).sum()
        assert both / either > 0.95


def test_masks():
    result = result_of(
        "<REFERRING_EXPRESSION_SEGMENTATION>", ANSWERS["<REFERRING_EXPRESSION_SEGMENTATION>"]
    )
    masks = result.masks()
    assert masks.shape == (1, 100, 200) and masks.dtype == bool
    x, y = np.meshgrid(np.arange(200), np.arange(100))
    inside = masks[0]
    assert inside[20, 80] and inside[82, 178] and not inside[82, 120] and not inside[5, 80]
    triangle = 0.5 * abs((140.1 - 20.1) * (80.05 - 10.05) - (80.1 - 20.1) * (12.05 - 10.05))
    assert inside[:, :150].sum() == pytest.approx(triangle, rel=0.08)
    (box,) = result_of("<REGION_PROPOSAL>", ANSWERS["<REGION_PROPOSAL>"]).masks()
    np.testing.assert_array_equal(box, (x >= 2) & (x <= 60) & (y >= 2) & (y <= 40))
    assert result_of("<OD>", "").masks().shape == (0, 100, 200)


def test_draw_and_html():
    pixels = np.full((100, 200, 3), 90, np.uint8)
    for task, text in ANSWERS.items():
        result = result_of(task, text, pixels=pixels)
        drawn = result.draw()
        assert isinstance(drawn, PIL.Image.Image) and drawn.width == 200
        assert np.any(np.asarray(drawn)[:100] != 90) or drawn.height > 100
        shown = result._repr_html_()
        assert "data:image/jpeg;base64," in shown and task.replace("<", "&lt;")[:-1] in shown
        for region in result.regions:
            assert region.label in shown
    assert (
        "A &lt;b&gt;cat&lt;/b&gt; &amp; a dog."
        in result_of("<CAPTION>", ANSWERS["<CAPTION>"])._repr_html_()
    )
    assert np.all(pixels == 90)
    bare = result_of("<OD>", ANSWERS["<OD>"])
    assert bare.draw(pixels).size == (200, 100)
    with pytest.raises(uffizi.ArgumentError):
        bare.draw()
    # What was taken out of the result is not drawn.
    bare.regions.clear()
    assert np.all(np.asarray(bare.draw(pixels)) == 90)


def test_inverted_boxes():
    result = result_of(
        "<OD>", "cat<loc_900><loc_900><loc_100><loc_100>", pixels=np.zeros((100, 200, 3), np.uint8)
    )
    assert result.regions[0].box.x1 > result.regions[0].box.x2
    bounds = result.regions[0].bounds
    assert bounds.x1 < bounds.x2 and bounds.y1 < bounds.y2
    assert result.masks().any() and result.draw() and len(result.to_supervision()) == 1


def test_a_score_that_is_not_known_is_none():
    result = result_of("<OD>", ANSWERS["<OD>"], pixels=np.zeros((100, 200, 3), np.uint8))
    assert [region.score for region in result.regions] == [None, None]
    assert result.to_dict()["<OD>"]["scores"] == [None, None]
    assert "<td>cat</td><td></td>" in result._repr_html_()
    assert result.to_supervision().confidence is None and result.draw()
    assert len(result.keep(labels=["cat"]).regions) == 1
    assert not result.keep(min_score=0.1).regions


def test_results_are_plain_data(model, scene):
    result = model(scene, "<OD>")
    again = pickle.loads(pickle.dumps(result))
    assert again == result and again.draw().size == result.draw().size
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
    assert all(0 < region.score <= 1 for region in result.regions)
