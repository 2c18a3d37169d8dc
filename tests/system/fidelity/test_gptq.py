"""uffizi quantize --gptq: on pictures that it was not calibrated on, less is lost than by the search for scales alone."""

import json
import shutil
import statistics

import pytest
from conftest import MODEL, SOURCE, run
from PIL import Image, ImageOps
from unrounded import write_unrounded

SEEN = ("aquarium.png", "football.jpg", "meadow.jpg", "penguins.jpg")
HELD_OUT = ("shop.jpg", "space.jpg", "stripes.jpg", "village.jpg")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folders of some samples, and of the others, each also mirrored."""
    root = tmp_path_factory.mktemp("pictures")
    for folder, names in (("seen", SEEN), ("held_out", HELD_OUT)):
        (root / folder).mkdir()
        for name in names:
            with Image.open(SOURCE / "samples" / name) as opened:
                picture = opened.convert("RGB")
            picture.save(root / folder / f"{name}.png")
            ImageOps.mirror(picture).save(root / folder / f"mirrored-{name}.png")
    return root


# Without smoothing, much of what is lost is activations rounded to 8 bits, which GPTQ cannot make up for.
@pytest.mark.parametrize(
    ("options", "limit"),
    [([], 0.85), (["--no-smoothing"], 1.0), (["--asymmetric", "--group-size", "32"], 0.85)],
)
def test_loses_less_on_held_out_pictures(tmp_path, pictures, options, limit):
    """Of nine models, since the answers to these pictures are only some hundred tokens, and few of them hold most of
    the divergence."""

    def lost(model, *own):
        out = tmp_path / "quantized"
        shutil.rmtree(out, ignore_errors=True)
        run("quantize", model, out, "--calibrate", pictures / "seen", *own, *options)
        report = run("check", out, "--against", model, pictures / "held_out", "--json")
        return json.loads(report.stdout)["next_token"]

    models = [write_unrounded(MODEL, tmp_path / f"model-{seed}", seed) for seed in range(9)]
    search = [lost(model) for model in models]
    gptq = [lost(model, "--gptq") for model in models]
    ratios = [
        ours["kl_divergence"] / theirs["kl_divergence"]
        for ours, theirs in zip(gptq, search, strict=True)
    ]
    assert statistics.median(ratios) < limit
    assert sum(one["agreement"] for one in gptq) > sum(one["agreement"] for one in search)


def test_needs_pictures_and_is_the_same_again(tmp_path, unrounded, pictures):
    run("quantize", unrounded, tmp_path / "out", "--gptq", code=2)
    for name in ("once", "again"):
        run("quantize", unrounded, tmp_path / name, "--calibrate", pictures / "seen", "--gptq")
    once, again = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "again")
    )
    assert once == again
