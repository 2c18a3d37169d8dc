"""Label Studio's ML backend. Its own SDK says whether predictions fit a project's configuration."""

import base64
import shutil

import httpx2
import pytest
from label_studio_sdk.label_interface import LabelInterface

from conftest import SAMPLES, command_line

SHOP = SAMPLES / "shop.jpg"
URI = "data:image/jpeg;base64," + base64.b64encode(SHOP.read_bytes()).decode()
BOXES = """<View><Image name="photo" value="$picture"/>
<RectangleLabels name="thing" toName="photo" {more}>{labels}</RectangleLabels></View>"""
POLYGONS = """<View><Image name="photo" value="$picture"/>
<PolygonLabels name="outline" toName="photo"><Label value="hamburger"/></PolygonLabels></View>"""
CAPTION = """<View><Image name="photo" value="$picture"/>
<TextArea name="caption" toName="photo"/></View>"""
READING = """<View><Image name="photo" value="$picture"/>
<Labels name="kind" toName="photo"><Label value="Text"/><Label value="Handwriting"/></Labels>
<Rectangle name="place" toName="photo"/>
<TextArea name="words" toName="photo" perRegion="true" editable="true"/></View>"""


def labels(*names):
    return "".join(f'<Label value="{name}"/>' for name in names)


def predict(server, config, *pictures):
    """As Label Studio asks."""
    body = {
        "tasks": [
            {"id": number, "data": {"picture": picture}} for number, picture in enumerate(pictures)
        ],
        "model_version": "uffizi-tiny",
        "project": "1.1700000000",
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }
    return server.client.post("/predict", json=body)


def predictions(server, config, *pictures):
    response = predict(server, config, *(pictures or [URI]))
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    for prediction in results:
        assert LabelInterface(config).validate_prediction(prediction, return_errors=True) == []
    return results


def test_health_and_setup(server):
    assert server.client.get("/health").json()["status"] == "UP"
    setup = {
        "project": "1.1700000000",
        "schema": CAPTION,
        "hostname": "http://localhost:8080",
        "access_token": "x",
        "extra_params": None,
    }
    assert server.client.post("/setup", json=setup).json() == {"model_version": "uffizi-tiny"}


def test_boxes(server):
    expected = command_line([SHOP], "--task", "od")[0]
    known = sorted(set(expected["result"]["labels"]))
    config = BOXES.format(labels=labels(*(name.title() for name in known)), more="")
    (prediction,) = predictions(server, config)
    items = prediction["result"]
    assert [item["value"]["rectanglelabels"][0].lower() for item in items] == expected["result"][
        "labels"
    ]
    assert prediction["model_version"] == "uffizi-tiny" and 0 < prediction["score"] <= 1
    for item, (x1, y1, x2, y2) in zip(items, expected["result"]["bboxes"]):
        value = item["value"]
        assert (item["from_name"], item["to_name"]) == ("thing", "photo")
        assert value["x"] * expected["width"] / 100 == pytest.approx(min(x1, x2), abs=0.1)
        assert value["height"] * expected["height"] / 100 == pytest.approx(abs(y2 - y1), abs=0.1)
    assert len({item["id"] for item in items}) == len(items)


def test_only_labels_of_the_project(server):
    found = command_line([SHOP], "--task", "od")[0]["result"]
    one = found["labels"][0]
    config = BOXES.format(labels=f'<Label value="Food" predicted_values="{one}"/>', more="")
    items = predictions(server, config)[0]["result"]
    assert len(items) == found["labels"].count(one) < len(found["labels"])
    assert {item["value"]["rectanglelabels"][0] for item in items} == {"Food"}
    score = sorted(found["scores"])[-1]
    config = BOXES.format(labels="", more=f'model_score_threshold="{score - 1e-4}"')
    assert len(predict(server, config, URI).json()["results"][0]["result"]) == 1


def test_a_task_of_ones_own(server):
    config = BOXES.format(labels=labels("hamburger"), more='task="open_vocabulary"')
    expected = command_line([SHOP], "--task", "open_vocabulary", "--text", "hamburger")[0]["result"]
    assert len(predictions(server, config)[0]["result"]) == len(expected["bboxes"]) > 0


def test_polygons_and_captions(server):
    expected = command_line([SHOP], "--task", "segmentation", "--text", "hamburger")[0]
    outlines = [polygon for region in expected["result"]["polygons"] for polygon in region]
    items = predictions(server, POLYGONS)[0]["result"]
    assert len(items) == len([one for one in outlines if len(one) >= 6]) > 0
    assert items[0]["value"]["polygonlabels"] == ["hamburger"]
    (item,) = predictions(server, CAPTION)[0]["result"]
    caption = command_line([SHOP], "--task", "detailed_caption")[0]["result"]
    assert item["value"]["text"] == [caption]


def test_reading(server):
    expected = command_line([SHOP], "--task", "ocr_with_region")[0]["result"]
    assert expected["labels"]
    items = predictions(server, READING)[0]["result"]
    words = [item["value"]["text"][0] for item in items if item["type"] == "textarea"]
    assert words == expected["labels"]
    kinds = [item["value"]["labels"] for item in items if item["type"] == "labels"]
    assert kinds == [["Text"]] * len(words)
    assert len({item["id"] for item in items}) == len(words)


def test_local_files(serve, tmp_path):
    folder = tmp_path / "photos"
    (folder / "in here").mkdir(parents=True)
    shutil.copy(SHOP, folder / "in here" / "shop.jpg")
    shutil.copy(SHOP, tmp_path / "secret.jpg")
    (folder / "way out").symlink_to(tmp_path)
    server = serve("--label-studio-files", folder)
    start = "/data/local-files/?d="
    (prediction,) = predictions(server, CAPTION, start + "in%20here/shop.jpg")
    assert prediction["result"]
    for path in (
        start + "../secret.jpg",
        start + "%2e%2e/secret.jpg",
        start + str(tmp_path / "secret.jpg"),
        start + "way%20out/secret.jpg",
        start + "none.jpg",
        start,
        str(folder / "in here" / "shop.jpg"),
    ):
        assert predict(server, CAPTION, path).status_code == 422, path


def test_no_files_unless_a_folder_is_named(server):
    for path in (str(SHOP), "/data/local-files/?d=" + str(SHOP)):
        response = predict(server, CAPTION, path)
        assert response.status_code == 422 and "--label-studio-files" in response.json()["detail"]


def test_a_picture_that_cannot_be_read_costs_itself(server):
    good, bad = predict(server, CAPTION, URI, "data:image/png;base64,aGVsbG8=").json()["results"]
    assert good["result"] and bad["result"] == [] and bad["error"]


@pytest.mark.parametrize(
    "config,words",
    [
        ("<View>", "not XML"),
        ("<View><Text name='t' value='$t'/></View>", "no Image"),
        ("<View><Image name='i' value='$picture'/></View>", "none of RectangleLabels"),
    ],
)
def test_configurations_that_make_no_sense(server, config, words):
    response = predict(server, config, URI)
    assert response.status_code == 422 and words in response.json()["detail"]


def test_key_as_a_password(serve):
    """Label Studio knows a name and a password of its backends."""
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    assert predict(server, CAPTION, URI).status_code == 401
    assert server.client.get("/health").status_code == 200
    server.client.auth = httpx2.BasicAuth("anyone", "secret")
    assert predictions(server, CAPTION)[0]["result"]
