"""A server of an artifact as Spark NLP saves it, exported from Microsoft's code."""

import pytest
from microsoft_artifacts import GREEDY, NAMES, microsoft_artifact


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_of_openvino(serve, tmp_path, name):
    artifact = microsoft_artifact(name, tmp_path)
    cache = {"UFFIZI_CACHE": str(tmp_path / "cache")}
    server = serve("--compute", "f32", model=artifact.path, env=cache)
    for case in artifact.cases:
        answer = server.annotate(artifact.picture, [], prompt=case["prompt"], options=GREEDY)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["token_ids"] == case["greedy_ids"], case["case"]
