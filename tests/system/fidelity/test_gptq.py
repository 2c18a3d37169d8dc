"""uffizi quantize --gptq: on pictures that it was not calibrated on, less is lost than by the search for scales alone."""

import json

import pytest
from conftest import SOURCE, make_unrounded, run
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
def test_loses_less_on_held_out_pictures(tmp_path, pictures, options):
    """Of three models, since the answers to these pictures are only some hundred tokens."""
    divergence, agreement = {}, {}
    for name, own in (("search", []), ("gptq", ["--gptq"])):
        found = []
        for seed in range(3):
            model, out = tmp_path / f"model-{seed}", tmp_path / f"{name}-{seed}"
            if not model.exists():
                make_unrounded(model, seed)
            run("quantize", model, out, "--calibrate", pictures / "seen", *own, *options)
            report = run("check", out, "--against", model, pictures / "held_out", "--json")
            found.append(json.loads(report.stdout)["next_token"])
        divergence[name] = sum(one["kl_divergence"] for one in found)
        agreement[name] = sum(one["agreement"] for one in found)
    assert divergence["gptq"] < 0.85 * divergence["search"]
    assert agreement["gptq"] > agreement["search"]


def test_needs_pictures_and_is_the_same_again(tmp_path, unrounded, pictures):
    run("quantize", unrounded, tmp_path / "out", "--gptq", code=2)
    for name in ("once", "again"):
        run("quantize", unrounded, tmp_path / name, "--calibrate", pictures / "seen", "--gptq")
    once, again = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "again")
    )
    assert once == again
