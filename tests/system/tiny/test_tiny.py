"""The model in the repository answers in `uffizi` as it does in transformers."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"
GOLDENS = json.loads((SOURCE / "tests" / "data" / "tiny" / "answers.json").read_text())
TOKENIZER = json.loads((MODEL / "tokenizer.json").read_text())
LOCATION = {
    t["id"]: int(t["content"][5:-1])
    for t in TOKENIZER["added_tokens"]
    if t["content"].startswith("<loc_")
}


def uffizi_answers(picture: str, prompts: list[str]) -> list[dict]:
    command = [
        os.environ["UFFIZI_COMMAND"],
        "annotate",
        str(SOURCE / "samples" / picture),
        "--model",
        str(MODEL),
    ]
    command += ["--compute", "f32", "--format", "jsonl", "--quiet"]
    for prompt in prompts:
        command += ["--prompt", prompt]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def bins_off(ids: list[int], expected: list[int]) -> list[int]:
    """How many bins each location is off; all else must be the same. A location's probability is spread over its
    neighbours, so that the last bits of a sum may decide between two of them."""
    words, expected_words = (
        [i if i not in LOCATION else "place" for i in row] for row in (ids, expected)
    )
    assert words == expected_words
    return [
        abs(LOCATION[a] - LOCATION[b]) for a, b in zip(ids, expected, strict=True) if a in LOCATION
    ]


def assert_same(found: dict[str, list[int]], expected: dict[str, list[int]]) -> None:
    assert found.keys() == expected.keys()
    off = [bins for prompt, ids in expected.items() for bins in bins_off(found[prompt], ids)]
    assert max(off) <= 2
    assert sum(bins > 0 for bins in off) <= 0.02 * len(off)


def test_every_picture_and_task_is_in_the_goldens():
    pictures = [p.name for p in (SOURCE / "samples").iterdir() if p.suffix in (".jpg", ".png")]
    assert sorted(pictures) == sorted(GOLDENS)
    assert len({prompt.partition(">")[0] for asked in GOLDENS.values() for prompt in asked}) == 15


@pytest.mark.parametrize("picture", GOLDENS)
def test_uffizi_answers_as_transformers_did(picture):
    rows = uffizi_answers(picture, list(GOLDENS[picture]))
    found = dict(zip(GOLDENS[picture], (row["token_ids"] for row in rows), strict=True))
    assert_same(found, GOLDENS[picture])


def test_transformers_answers_so_still():
    pytest.importorskip("torch", reason="torch is not in this environment")
    pytest.importorskip("transformers", reason="transformers is not in this environment")
    sys.path.insert(0, str(SOURCE / "tests" / "golden"))
    import make_tiny

    for picture, found in make_tiny.answers(MODEL).items():
        assert_same(found, GOLDENS[picture])


def boxes_of(picture: str, prompt: str) -> dict:
    return uffizi_answers(picture, [prompt])[0]["result"]


IN_THE_SAMPLES = [  # not what transformers says, but what is in the pictures
    ("football.jpg", "<OD>", ["donut", *["sports ball"] * 3, "umbrella"]),
    ("penguins.jpg", "<OD>", ["carrot", *["penguin"] * 3, "star"]),
    ("shop.jpg", "<OCR>", "EMPTY SHOES"),
    ("aquarium.png", "<OCR>", "MUSIC"),
]


@pytest.mark.parametrize(("picture", "prompt", "expected"), IN_THE_SAMPLES)
def test_it_sees_what_is_in_the_samples(picture, prompt, expected):
    found = boxes_of(picture, prompt)
    assert (sorted(found["labels"]) if prompt == "<OD>" else found) == expected
