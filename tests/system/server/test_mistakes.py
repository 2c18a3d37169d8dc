"""Each mistake in a request is an answer that names it."""

import json

import pytest

from conftest import JSON, SAMPLES, encoded

SHOP = SAMPLES / "shop.jpg"


@pytest.mark.parametrize(
    "body,status,words",
    [
        ("", 400, "not valid JSON"),
        ("[]", 400, "must be a JSON object"),
        ("{}", 400, "image is missing"),
        ("[" * 100_000, 400, "nested too deep"),
        ("[" + "0," * 50_000 + "0]", 400, "too many values"),
        ({"image": 5, "tasks": ["od"]}, 400, "image must be a string"),
        ({"image": "!!", "tasks": ["od"]}, 422, "base64"),
        ({"image": "aGVsbG8=", "tasks": ["od"]}, 422, "image"),
        ({"image": "https://example.com/a.jpg", "tasks": ["od"]}, 422, "not fetched"),
        ({"url": "https://example.com/a.jpg", "tasks": ["od"]}, 422, "not fetched"),
        ({"url": "/etc/passwd", "tasks": ["od"]}, 422, "not an http"),
        ({"image": "SHOP", "url": "https://example.com/", "tasks": ["od"]}, 422, "two pictures"),
        ({"image": "SHOP", "tasks": ["od"], "model": "other"}, 404, "uffizi-tiny"),
        ({"image": "SHOP", "tasks": [{"task": "od", "as": "od"}]}, 400, "for a prompt"),
        ({"image": "SHOP", "tasks": [{"prompt": "a", "as": "fly"}]}, 400, "no task is called"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"min_score": 2}}, 400, "min_score"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"labels": "car"}}, 400, "labels"),
        ({"image": "SHOP", "tasks": []}, 422, "say what to ask"),
        ({"image": "SHOP", "tasks": ["fly"]}, 400, "no task is called"),
        ({"image": "SHOP", "tasks": ["od"] * 17}, 400, "at most 16"),
        ({"image": "SHOP", "tasks": [{"task": "od", "text": "cat"}]}, 422, "takes no input"),
        ({"image": "SHOP", "tasks": ["grounding"]}, 422, "needs text"),
        (
            {"image": "SHOP", "tasks": [{"task": "region_to_ocr", "region": [1, 2]}]},
            400,
            "four numbers",
        ),
        ({"image": "SHOP", "tasks": [{"task": "od", "region": [1, 2, 3, 4]}]}, 422, "no region"),
        ({"image": "SHOP", "tasks": [{"prompt": "<OD>x"}]}, 422, "whole prompt"),
        ({"image": "SHOP", "tasks": [{"prompt": "word " * 2000}]}, 422, "tokens"),
        ({"image": "SHOP", "tasks": ["od"], "optoins": {}}, 400, "no field is called optoins"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"num_beams": 0}}, 400, "num_beams"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"num_beams": 17}}, 400, "num_beams"),
        (
            {"image": "SHOP", "tasks": ["od"], "options": {"early_stopping": "x"}},
            422,
            "early_stopping",
        ),
        ({"image": "SHOP", "tasks": ["od"], "options": {"max_length": 100_000}}, 400, "max_length"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"seed": 1.5}}, 400, "integer"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"seed": 2**63}}, 400, "integer"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"max_length": 300}}, 422, "max_length"),
    ],
)
def test_mistakes_in_json(server, body, status, words):
    if isinstance(body, dict):
        body = json.dumps(body).replace('"SHOP"', json.dumps(encoded(SHOP)))
    response = server.client.post("/v1/annotate", content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and words in problem["detail"], problem
    assert set(problem) == {"type", "title", "status", "detail", "code"}


def test_mistakes_in_forms(server):
    post = lambda **kwargs: server.client.post("/v1/annotate", **kwargs)
    image = {"image": ("a.jpg", SHOP.read_bytes())}
    for response, status, words in [
        (post(files={"picture": b"x"}, data={"task": "od"}), 400, "no field is called picture"),
        (post(files={"x": b""}), 400, "no field"),
        (post(files=image, data={"task": "od", "text": "cat"}), 422, "none of the tasks"),
        (post(files=image, data={"task": "od", "stream": "maybe"}), 400, "true or false"),
        (post(files=image, data={"task": "od", "options": "{"}), 400, "not valid JSON"),
        (post(files=image), 422, "say what to ask"),
        (
            post(files={"image": ("a.jpg", SHOP.read_bytes()[:5000])}, data={"task": "od"}),
            422,
            "a.jpg",
        ),
        (
            post(content=b"--b\r\n", headers={"content-type": "multipart/form-data; boundary=b"}),
            400,
            "whole multipart",
        ),
        (post(content=b"x", headers={"content-type": "multipart/form-data"}), 400, "multipart"),
        (post(content=b"x", headers={"content-type": "text/plain"}), 415, "application/json"),
    ]:
        assert response.status_code == status and words in response.json()["detail"], response.text
