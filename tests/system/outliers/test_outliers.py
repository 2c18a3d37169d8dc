"""Outliers that change nothing in float32 change next to nothing in 4-bit arithmetic either: layers are smoothed when a
model is loaded, and when it is quantized into a folder."""

import os
import pathlib
import subprocess

import pytest
from outliers import write_outliers
from unrounded import write_unrounded

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"
MEASURE = pathlib.Path(os.environ["UFFIZI_BUILD"]) / "bin" / "measure_loss"
PICTURES = sorted(str(path) for path in (SOURCE / "samples").glob("*.*g"))
KINDS = ["norm", "convolution", "value", "key", "state", "offset", "hidden", "embedding"]
# The answers to the samples are only some hundred tokens: a mean over several models says more than one.
SEEDS = (1, 2, 3)
LOADED = "quantized on loading, int4"


def measure(model: pathlib.Path, folders: list[pathlib.Path]) -> dict[str, tuple[float, float]]:
    """Cosine of logits and share of next tokens that are as in float32, by what was computed."""
    command = [str(MEASURE), str(model)]
    for folder in folders:
        command += ["--folder", str(folder)]
    run = subprocess.run([*command, *PICTURES], capture_output=True, text=True, check=True)
    rows = [line.rsplit(maxsplit=5) for line in run.stdout.splitlines()[1:]]
    return {name.strip(): (float(logits), float(same)) for name, _, _, logits, same, _ in rows}


def measure_seed(root: pathlib.Path, seed: int) -> dict[str, tuple[float, float]]:
    """What measure() says of a model and of others that differ from it by outliers."""
    # The included model's own weights are rounded already, which no outliers should profit from.
    model = write_unrounded(MODEL, root / "model", seed)
    folders = [write_outliers(model, root / kind, 300, seed, [kind]) for kind in KINDS]
    for factor in (10, 100, 1000):
        folders.append(write_outliers(model, root / f"all-{factor}", factor, seed, KINDS))
    for name, source in (("written-plain", model), ("written-all", root / "all-100")):
        command = [
            os.environ["UFFIZI_COMMAND"],
            "quantize",
            str(source),
            str(root / name),
            "--quiet",
        ]
        subprocess.run(command, check=True, capture_output=True)
        folders.append(root / name)
    return measure(model, folders)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return [measure_seed(tmp_path_factory.mktemp("outliers"), seed) for seed in SEEDS]


def mean(measured, name: str) -> tuple[float, float]:
    """Over the models of all seeds."""
    logits, same = zip(*(of_seed[name] for of_seed in measured), strict=True)
    return sum(logits) / len(SEEDS), sum(same) / len(SEEDS)


@pytest.mark.parametrize("name", [*KINDS, "all-10", "all-100", "all-1000"])
def test_outliers_cost_nothing(measured, name):
    for of_seed in measured:
        logits, same = of_seed[f"{name}, f32"]
        assert logits > 0.99999
        assert same > 99
    plain_logits, plain_same = mean(measured, LOADED)
    logits, same = mean(measured, f"{name}, int4")
    assert logits > plain_logits - 0.0015
    assert same > plain_same - 4


def test_outliers_cost_nothing_in_written_folders(measured):
    for arithmetic in ("f32", "int4"):
        plain_logits, plain_same = mean(measured, f"written-plain, {arithmetic}")
        logits, same = mean(measured, f"written-all, {arithmetic}")
        assert plain_logits > 0.99
        assert logits > plain_logits - 0.0015
        assert same > plain_same - 4
