"""A server of an artifact as Spark NLP saves it, traced from Microsoft's own code."""

import json
import os
import pathlib

import pytest
from conftest import SOURCE

DATA = SOURCE / "tests" / "data" / "models"
GREEDY = {
    "num_beams": 1,
    "no_repeat_ngram_size": 0,
    "forced_bos": False,
    "forced_eos": False,
    "max_length": 61,
}


def half_precision():
    shared = os.environ.get("UFFIZI_SHARED")
    if not shared:
        pytest.skip("UFFIZI_SHARED names no folder of golden data")
    golden = pathlib.Path(shared) / "golden"
    artifact = golden / "microsoft" / "C"
    return (
        next(artifact.glob("*.zip")),
        artifact / "expected" / "openvino" / "ids.json",
        golden / "pictures" / "odd.jpg",
    )


def mixed():
    folder = DATA / "microsoft"
    return folder / "florence_2_tiny_int4.zip", folder / "ids.json", DATA / "odd.jpg"


@pytest.mark.parametrize("find", [mixed, half_precision])
def test_ids_are_those_of_openvino(serve, tmp_path, find):
    artifact, expected, picture = find()
    cache = {"UFFIZI_CACHE": str(tmp_path / "cache")}
    server = serve("--compute", "f32", model=artifact, env=cache)
    cases = [
        case
        for case in json.loads(expected.read_text())["cases"]
        if case["picture"] == picture.name
    ]
    assert cases
    for case in cases:
        answer = server.annotate(picture, [], prompt=case["prompt"], options=GREEDY)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["token_ids"] == case["greedy_ids"], case["case"]
