"""Artifacts as Spark NLP saves them, exported from Microsoft's code, with OpenVINO's greedy answers. One is in the
repository; the others are golden data that the environment variable UFFIZI_SHARED names."""

import json
import os
import pathlib
import zipfile
from dataclasses import dataclass

import pytest

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "models"
NAMES = ("in the repository", "C", "D", "D at 512", "D2")
# The search options of the golden answers, as in JSON and in Python.
GREEDY = {
    "num_beams": 1,
    "no_repeat_ngram_size": 0,
    "forced_bos": False,
    "forced_eos": False,
    "max_length": 61,
}


@dataclass
class Artifact:
    path: pathlib.Path
    picture: pathlib.Path
    cases: list[dict]  # of that picture: "prompt" and "greedy_ids"


def microsoft_artifact(name: str, folder: pathlib.Path) -> Artifact:
    """Skips the test if the artifact is not at hand; `folder` is for files that must be made."""
    if name == NAMES[0]:
        found = DATA / "microsoft"
        return _artifact(found / "florence_2_tiny_int4.zip", DATA / "odd.jpg", found / "ids.json")
    shared = os.environ.get("UFFIZI_SHARED")
    if not shared:
        pytest.skip("UFFIZI_SHARED names no folder of golden data")
    golden = pathlib.Path(shared) / "golden"
    found = golden / "microsoft" / name.split()[0]
    path = next(found.glob("*.zip"))
    if name.endswith("512"):
        path = _with_other_graph(path, found / "image_embedding_512.xml", folder / path.name)
    ids = found / "expected" / "openvino" / "ids.json"
    return _artifact(path, golden / "pictures" / "odd.jpg", ids)


def _artifact(path: pathlib.Path, picture: pathlib.Path, ids: pathlib.Path) -> Artifact:
    cases = json.loads(ids.read_text())["cases"]
    cases = [case for case in cases if case["picture"] == picture.name]
    assert cases
    return Artifact(path, picture, cases)


def _with_other_graph(path: pathlib.Path, graph: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """The artifact with another graph of the picture's encoder. Each graph is a zip with the name of its xml file."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name != ".image_embedding.xml.crc":
                content = old.read(name)
                new.writestr(name, graph.read_bytes() if name == "image_embedding.xml" else content)
    return out
