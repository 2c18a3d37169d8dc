"""uffizi quantize --max-loss: layers are widened until answers hold, and the folder tells what that cost."""

import json
import shutil

import pytest
from conftest import MODEL, SOURCE, run
from outliers import write_outliers

SAMPLES = SOURCE / "samples"


def quantize(out, *arguments, model=MODEL):
    command = ("quantize", model, out, "--calibrate", SAMPLES, *arguments, "--json")
    return json.loads(run(*command).stdout)


def stored_names(folder):
    data = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    return {
        name: entry["dtype"]
        for name, entry in json.loads(data[8 : 8 + length]).items()
        if "dtype" in entry
    }


# Outliers that are not smoothed lose far more in 4 bits than this, and far less in 8. One caption of eight, which
# hangs on the last bits of a sum, is worth 4 points.
MAX_LOSS = 12.0


@pytest.fixture(scope="module")
def outliers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outliers") / "model"
    write_outliers(MODEL, folder, factor=150, seed=7)
    shutil.copy(MODEL / "README.md", folder)
    return folder


@pytest.fixture(scope="module")
def mixed(outliers, tmp_path_factory):
    out = tmp_path_factory.mktemp("within") / "mixed"
    return out, quantize(out, "--no-smoothing", "--max-loss", str(MAX_LOSS), model=outliers)


def test_layers_are_widened_until_it_holds(outliers, mixed):
    out, report = mixed
    assert report["narrow"]["loss"] > MAX_LOSS
    assert report["holds"] and report["written"]["loss"] <= MAX_LOSS
    widened = [unit["name"] for unit in report["widened"]]
    wide = {layer["name"] for layer in report["layers"] if layer["bits"] == 16}
    assert 0 < len(widened) and all(f"{name}.weight" in wide for name in widened)
    # The folder itself, measured anew, is what the report says of it.
    measured = json.loads(run("check", out, "--against", outliers, SAMPLES, "--json").stdout)
    for figure in ("loss", "tasks", "next_token"):
        assert measured[figure] == report["written"][figure]
    assert (
        measured["resident_bytes"]
        == report["written"]["resident_bytes"]
        > report["narrow"]["resident_bytes"]
    )


def test_what_is_widened_is_an_ordinary_layer_of_the_folder(mixed):
    out, report = mixed
    names = stored_names(out)
    ignored = json.loads((out / "config.json").read_text())["quantization_config"]["ignore"]
    for unit in report["widened"]:
        assert names[unit["name"] + ".weight"] == "F16"
        assert unit["name"] + ".weight_packed" not in names
        assert unit["name"] in ignored
    packed = [name for name in names if name.endswith(".weight_packed")]
    assert packed and not any(name.removesuffix(".weight_packed") in ignored for name in packed)


def test_the_card_has_the_figures(mixed):
    out, report = mixed
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")  # of the model's own card, which follows
    own = (MODEL / "README.md").read_text().split("---\n", 2)[2].strip()
    assert own in card
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    written = next(row for row in rows if "this folder" in row)
    assert f"{report['written']['next_token']['kl_divergence']:.4f}" in written
    assert f"{100 * report['written']['next_token']['agreement']:.1f} %" in written
    assert all(f"| {unit['name']} |" in card for unit in report["widened"])


def test_nothing_is_widened_where_four_bits_hold(tmp_path):
    report = quantize(tmp_path / "out", "--max-loss", "60")
    assert report["holds"] and report["widened"] == []
    assert report["written"]["tasks"] == report["narrow"]["tasks"]
    plain = tmp_path / "plain"
    run("quantize", MODEL, plain, "--calibrate", SAMPLES)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (
        plain / "model.safetensors"
    ).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "plain"]


def test_a_card_of_somebody_stays(tmp_path):
    out = tmp_path / "out"
    ours = ("--max-loss", "60", "--task", "od")
    quantize(out, *ours)
    card = (out / "README.md").read_bytes()
    assert b"AP50 of od" in card
    quantize(out, "--max-loss", "60", "--task", "caption", "--then", "grounding", "--force")
    section = (out / "README.md").read_bytes()
    assert b"edits of caption |" in section
    assert b"AP50 of caption > caption_to_phrase_grounding" in section
    (out / "README.md").write_bytes(card + b"And I add this.\n")
    done = run("quantize", MODEL, out, "--calibrate", SAMPLES, *ours, "--force")
    assert b"README.md: was written or changed by somebody" in done.stderr
    assert (out / "README.md").read_bytes() == card + b"And I add this.\n"
    quantize(out, *ours, "--force", "--replace-card")
    assert (out / "README.md").read_bytes().endswith(b"-->\n")


def test_what_makes_no_sense_is_refused(tmp_path):
    out = tmp_path / "out"
    assert b"--calibrate" in run("quantize", MODEL, out, "--max-loss", "1", code=2).stderr
    command = ("quantize", MODEL, out, "--calibrate", SAMPLES)
    assert b"600" in run(*command, "--max-loss", "600", code=2).stderr
    assert b"needs text" in run(*command, "--max-loss", "1", "--task", "grounding", code=2).stderr
    assert not out.exists()
