"""Models by name, from the Hub's own cache or a local server, artifacts, and adapters."""

import json
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from microsoft_artifacts import GREEDY, NAMES, microsoft_artifact

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
    stored = tmp_path / "hub" / "models--someone--Florence-2-tiny"
    commit = "abc123" + "0" * 34
    shutil.copytree(source / "models" / "uffizi-tiny", stored / "snapshots" / commit)
    (stored / "refs").mkdir()
    (stored / "refs" / revision).write_text(commit)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("UFFIZI_CACHE", str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", ASK, scene, revision], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [model(scene, "<OD>").text, *["none"] * 3]


@pytest.fixture
def server(source, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(source / "tests" / "system" / "pull")
    from source import Source

    monkeypatch.setenv("UFFIZI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    model = source / "models" / "uffizi-tiny"
    server = Source({file.name: file.read_bytes() for file in model.iterdir()})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("no_proxy", "*")
    yield server
    server.close()


def test_pull(server, tmp_path, scene, model):
    name = "someone/Florence-2-tiny"
    server.bytes_a_second = 5_000_000
    with pytest.raises(ZeroDivisionError):
        uffizi.pull(name, progress=lambda file, done, total: 1 / 0)
    with pytest.raises(uffizi.Error):
        uffizi.pull(name, progress=lambda file, done, total: False)
    assert not (tmp_path / "cache" / "models" / "someone--Florence-2-tiny").exists()
    server.bytes_a_second = None
    seen = []
    folder = uffizi.pull(name, progress=lambda *now: seen.append(now))
    assert folder == tmp_path / "cache" / "models" / "someone--Florence-2-tiny"
    total = sum(len(server.files[file.name]) for file in folder.iterdir())
    assert {now[2] for now in seen} == {total} and seen[-1][1] <= total
    pulled = uffizi.Florence2.from_pretrained(name)
    assert pulled(scene, "<CAPTION>").text == model(scene, "<CAPTION>").text


def test_ctrl_c_stops_a_download(server):
    server.bytes_a_second = 100_000
    code = "import uffizi; print('now', flush=True); uffizi.pull('someone/Florence-2-tiny')"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]


def test_artifacts(server, source):
    artifact = source / "tests" / "data" / "models" / "florence_2_tiny_int4.zip"
    assert uffizi.Florence2.from_pretrained(artifact).info["vocab_size"] == 1537
    assert (uffizi.pull(artifact) / "config.json").exists()


@pytest.mark.parametrize("number", range(5))
def test_microsofts_artifact_answers_as_in_openvino(server, tmp_path, number):
    artifact = microsoft_artifact(NAMES[number], tmp_path)
    model = uffizi.Florence2.from_pretrained(artifact.path, compute="f32")
    for case in artifact.cases:
        answer = model(artifact.picture, case["prompt"], **GREEDY)
        assert answer.token_ids == case["greedy_ids"]


END_AT_IMPORT = """
import os, signal, uffizi
def end(file, done, total):
    if file == "import":
        os.kill(os.getpid(), signal.SIGKILL)
    return True
uffizi.pull("florence_2_large_int4", progress=end)
"""


def test_imports_that_end_early_leave_nothing(server, source, tmp_path, monkeypatch):
    monkeypatch.setenv("UFFIZI_MODELS_URL", server.url + "/spark")
    data = source / "tests" / "data" / "models"
    server.artifact = (data / "microsoft" / "florence_2_tiny_int4.zip").read_bytes()
    models = tmp_path / "cache" / "models"
    name = "florence_2_large_int4"
    with pytest.raises(uffizi.Error):
        uffizi.pull(name, progress=lambda file, done, total: file != "import")
    assert not [path for path in models.iterdir() if path.is_dir()]
    killed = subprocess.run([sys.executable, "-c", END_AT_IMPORT], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (models / name).exists()
    assert (uffizi.pull(name) / "config.json").exists()
    assert [path.name for path in models.iterdir() if path.is_dir()] == [name]
    fetched = len(server.requests)
    assert (uffizi.pull(name) / "config.json").exists()
    assert len(server.requests) == fetched


def test_what_is_not_there(server, monkeypatch):
    with pytest.raises(uffizi.NotFoundError, match="404"):
        uffizi.pull("no/such")
    with pytest.raises(uffizi.NotFoundError, match="404"):
        uffizi.Florence2.from_pretrained("someone/Florence-2-tiny", revision="none")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(uffizi.NotFoundError, match="offline"):
        uffizi.Florence2.from_pretrained("someone/Florence-2-tiny")


@pytest.fixture
def adapter(tmp_path):
    """Of the bundled model's encoder: one layer, changed much."""
    layer, random = (
        "base_model.model.model.language_model.encoder.layers.0.fc1",
        np.random.default_rng(1),
    )
    parts = {"A": random.normal(size=(4, 192)), "B": random.normal(size=(384, 4))}
    header, content = {}, b""
    for part, values in parts.items():
        stored = values.astype(np.float32).tobytes()
        header[f"{layer}.lora_{part}.weight"] = {
            "dtype": "F32",
            "shape": values.shape,
            "data_offsets": [len(content), len(content) + len(stored)],
        }
        content += stored
    text = json.dumps(header).encode()
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + content
    )
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 4}')
    return folder


def test_adapters(adapter, scene, model):
    def ids(model):
        return model(scene, "<DETAILED_CAPTION>").token_ids

    tuned = uffizi.Florence2.from_pretrained(lora=[adapter])
    assert tuned._engine is not model._engine
    assert tuned._engine is uffizi.Florence2.from_pretrained(lora=[(str(adapter), 1)])._engine
    assert tuned.info["lora"] == [(adapter, 1.0)]
    assert ids(tuned) != ids(model)
    assert ids(uffizi.Florence2.from_pretrained(lora=[(adapter, 0)])) == ids(model)
    assert ids(uffizi.Florence2.from_pretrained(lora=[adapter, (adapter, -1)])) == ids(model)
    assert pickle.loads(pickle.dumps(tuned))._engine is tuned._engine
    with pytest.raises(TypeError, match="list"):
        uffizi.Florence2.from_pretrained(lora=str(adapter))
    with pytest.raises(uffizi.NotFoundError, match="nowhere"):
        uffizi.Florence2.from_pretrained(lora=[adapter / "nowhere"])
