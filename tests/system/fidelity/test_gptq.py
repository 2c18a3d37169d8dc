"""uffizi quantize --gptq: on pictures that it was not calibrated on, less is lost than by the search for scales alone."""

import json

import pytest
from conftest import SOURCE, run
from PIL import Image, ImageOps

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


@pytest.mark.parametrize(
    "options", [[], ["--no-smoothing"], ["--asymmetric", "--group-size", "32"]]
)
def test_loses_less_on_held_out_pictures(tmp_path, unrounded, pictures, options):
    losses = {}
    for name, own in (("search", []), ("gptq", ["--gptq"])):
        out = tmp_path / name
        run("quantize", unrounded, out, "--calibrate", pictures / "seen", *own, *options)
        report = json.loads(
            run("check", out, "--against", unrounded, pictures / "held_out", "--json").stdout
        )
        losses[name] = report["next_token"]
    assert losses["gptq"]["kl_divergence"] < 0.85 * losses["search"]["kl_divergence"]
    assert losses["gptq"]["agreement"] > losses["search"]["agreement"]


def test_needs_pictures_and_is_the_same_again(tmp_path, unrounded, pictures):
    run("quantize", unrounded, tmp_path / "out", "--gptq", code=2)
    for name in ("once", "again"):
        run("quantize", unrounded, tmp_path / name, "--calibrate", pictures / "seen", "--gptq")
    once, again = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "again")
    )
    assert once == again
