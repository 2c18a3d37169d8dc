"""Names of the Hugging Face Hub, found in its cache: nothing is downloaded here."""

import shutil
import subprocess
import sys

import pytest

import uffizi

ASK = """
import sys, uffizi
from uffizi.transformers import AutoProcessor
model = uffizi.Florence2.from_pretrained("someone/Florence-2-tiny", revision=sys.argv[2])
assert AutoProcessor.from_pretrained("someone/Florence-2-tiny", revision=sys.argv[2])._model._engine is model._engine
print(model(sys.argv[1], "<OD>").text)
for wrong in ("someone/other", "no folder", "./a/b"):
    try:
        uffizi.Florence2.from_pretrained(wrong)
    except uffizi.NotFoundError as error:
        assert wrong in str(error), error
        print("none")
"""


@pytest.mark.parametrize("revision", ["main", "abc123"])
def test_names_of_the_hub(source, scene, model, monkeypatch, tmp_path, revision):
    pytest.importorskip("huggingface_hub")
    stored = tmp_path / "hub" / "models--someone--Florence-2-tiny"
    commit = "abc123" + "0" * 34
    shutil.copytree(source / "models" / "uffizi-tiny", stored / "snapshots" / commit)
    (stored / "refs").mkdir()
    (stored / "refs" / revision).write_text(commit)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run([sys.executable, "-c", ASK, scene, revision], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [model(scene, "<OD>").text, *["none"] * 3]


def test_without_the_library_the_way_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(uffizi.NotFoundError, match=r"uffizi\[hub\]"):
        uffizi.Florence2.from_pretrained("someone/Florence-2-tiny")
