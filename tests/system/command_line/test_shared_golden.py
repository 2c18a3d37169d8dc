"""A tiny random Florence-2 whose greedy and beam ids PyTorch computed, where it is at hand:
UFFIZI_SHARED names the folder that holds golden/hf and golden/expected/torch."""

import json
import os
import pathlib
import subprocess

import pytest

SHARED = os.environ.get("UFFIZI_SHARED")
pytestmark = pytest.mark.skipif(not SHARED, reason="UFFIZI_SHARED names no folder of golden data")


def test_ids_equal_pytorch():
    golden = pathlib.Path(SHARED) / "golden"
    cases = json.loads((golden / "expected" / "torch" / "ids.json").read_text())["cases"]
    checked = 0
    for case in cases:
        picture = golden / "pictures" / case["picture"]
        for ids, options in {
            "greedy_ids": [
                "--beams",
                "1",
                "--no-repeat-ngram",
                "0",
                "--forced-bos",
                "off",
                "--forced-eos",
                "off",
                "--max-length",
                "61",
            ],
            "beam3_ids": [
                "--beams",
                "3",
                "--no-repeat-ngram",
                "3",
                "--early-stopping",
                "on",
                "--forced-bos",
                "on",
                "--forced-eos",
                "on",
                "--max-length",
                "61",
            ],
        }.items():
            if ids not in case:
                continue
            done = subprocess.run(
                [
                    os.environ["UFFIZI_COMMAND"],
                    "annotate",
                    picture,
                    "--prompt",
                    case["prompt"],
                    "--compute",
                    "f32",
                    "--model",
                    golden / "hf",
                    "--format",
                    "jsonl",
                    *options,
                ],
                capture_output=True,
                check=True,
            )
            assert json.loads(done.stdout)["token_ids"] == case[ids], (
                case["picture"],
                case["prompt"],
            )
            checked += 1
    assert checked >= 4
