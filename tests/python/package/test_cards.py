"""The scripts of model cards, in cards/, with only the import changed, against what transformers printed."""

import contextlib
import hashlib
import json
import types

import pytest

import uffizi.transformers
from card_runner import CARDS, make_hub, names_in, run_card
from conftest import close

CASES = [(path, name) for path in sorted(CARDS.glob("*.py")) for name in names_in(path)]
IDS = [name for _, name in CASES]


@pytest.fixture(scope="module")
def golden(source):
    golden = json.loads((source / "tests/data/python/cards.json").read_text())
    weights = (source / "models/uffizi-tiny/model.safetensors").read_bytes()
    assert golden["weights"] == hashlib.sha256(weights).hexdigest(), (
        "models/uffizi-tiny has changed since tests/data/python/cards.json was made: ./run golden cards"
    )
    return golden["cards"]


@pytest.fixture(scope="module")
def hub(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    make_hub(folder, source / "models" / "uffizi-tiny")
    return folder


@pytest.fixture(params=["numpy", "torch"])
def torch(request, monkeypatch):
    """PyTorch, or, as it is large, numpy in its place, which shows that the scripts need no more."""
    if request.param == "torch":
        return pytest.importorskip("torch")
    stand_in = types.SimpleNamespace(
        cuda=types.SimpleNamespace(is_available=lambda: False),
        float16="float16",
        float32="float32",
        device=lambda name: name,
        dtype=str,
        no_grad=contextlib.nullcontext,
        from_numpy=lambda array: array,
    )
    monkeypatch.setitem(__import__("sys").modules, "torch", stand_in)
    return stand_in


def cut(value):
    """As transformers' processor has coordinates: whole pixels."""
    if isinstance(value, dict):
        return {key: value[key] if key == "scores" else cut(value[key]) for key in value}
    if isinstance(value, list):
        return [cut(item) for item in value]
    return int(value) if isinstance(value, float) else value


@pytest.mark.parametrize("script, name", CASES, ids=IDS)
def test_only_the_import_is_changed(
    script, name, golden, hub, torch, pictures, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("UFFIZI_CACHE", str(tmp_path))
    code = script.read_text().replace("microsoft/Florence-2-base", name)
    changed = code.replace("from transformers import", "from uffizi.transformers import")
    assert changed != code
    modules = {"torch": torch, "uffizi.transformers": uffizi.transformers}
    printed = run_card(changed, pictures, modules)
    expected = golden[script.name]
    assert len(printed) == len(expected)
    for ours, theirs in zip(printed, expected):
        if theirs is None:  # drawn at random
            assert len(ours["<MORE_DETAILED_CAPTION>"]) > 10
        else:
            assert close(cut(ours), theirs)
