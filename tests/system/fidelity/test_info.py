"""uffizi info warns of layers whose activations have outliers, by an estimate or as measured on pictures."""

import json

import pytest
from conftest import MODEL, SOURCE, run
from outliers import write_outliers

SAMPLES = SOURCE / "samples"
LIMIT = 30


@pytest.fixture(scope="module")
def outliers(tmp_path_factory):
    out = tmp_path_factory.mktemp("info") / "outliers"
    return write_outliers(MODEL, out, factor=1000, kinds=("norm", "value"))


# The included model has a layer whose inputs peak a little over the limit on most other samples.
@pytest.mark.parametrize("pictures", [[], ["--pictures", SAMPLES / "shop.jpg"]])
def test_a_model_without_outliers_is_not_warned_of(pictures):
    assert "warning" not in run("info", MODEL, *pictures).stdout.decode()
    report = json.loads(run("info", MODEL, *pictures, "--json").stdout)
    assert report["activation_outliers"] == {}
    assert 3 < report["activation_peak"] < LIMIT


@pytest.mark.parametrize("pictures", [[], ["--pictures", SAMPLES]])
def test_layers_with_outliers_are_named_the_worst_first(outliers, pictures):
    report = json.loads(run("info", outliers, *pictures, "--json").stdout)
    found = report["activation_outliers"]
    assert all(peak > LIMIT for peak in found.values())
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert max(found.values()) == report["activation_peak"]
    # What was scaled: what reads DaViT's norms, and what reads values.
    kinds = (".qkv.weight", ".fc1.weight", ".proj.weight", ".out_proj.weight")
    own = json.loads(run("info", MODEL, *pictures, "--json").stdout)["activation_outliers"]
    made = found.keys() - own.keys()
    assert len(made) >= 5 and all(name.endswith(kinds) for name in made)
    text = run("info", outliers, *pictures).stdout.decode()
    assert "warning" in text and next(iter(found)) in text


def test_the_estimate_is_near_what_is_measured(outliers):
    estimated = json.loads(run("info", outliers, "--json").stdout)["activation_outliers"]
    measured = json.loads(run("info", outliers, "--pictures", SAMPLES, "--json").stdout)[
        "activation_outliers"
    ]
    both = estimated.keys() & measured.keys()
    assert len(both) >= len(measured) / 2
    assert all(0.5 < estimated[name] / measured[name] < 2 for name in both)


def test_a_quantized_folder_is_looked_at_too(outliers, tmp_path):
    run("quantize", outliers, tmp_path / "rough", "--no-smoothing")
    run("quantize", outliers, tmp_path / "smooth")
    rough = json.loads(run("info", tmp_path / "rough", "--json").stdout)["activation_outliers"]
    smooth = json.loads(run("info", tmp_path / "smooth", "--json").stdout)["activation_outliers"]
    assert len(smooth) < len(rough)


def test_pictures_that_cannot_be_read_are_told(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    run("info", MODEL, "--pictures", broken, SAMPLES / "meadow.jpg", code=1)
    run("info", MODEL, "--pictures", broken, code=2)
