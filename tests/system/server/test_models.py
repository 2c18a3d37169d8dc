"""Several models and adapters in one server."""

import json
import pathlib
import re
import shutil
import subprocess
import threading

import numpy as np
import openai
import pytest

from conftest import COMMAND, MODEL, SAMPLES, command_line, same
from test_openai import messages

SHOP = SAMPLES / "shop.jpg"


@pytest.fixture
def copy(tmp_path):
    """The same model, with other search options."""
    folder = tmp_path / "copy"
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "generation_config.json").read_text())
    config |= {"max_length": 5, "num_beams": 1}
    (folder / "generation_config.json").write_text(json.dumps(config))
    return folder


def loaded(server):
    return {model["name"] for model in server.client.get("/api/ps").json()["models"]}


def test_models_by_name(serve, copy):
    server = serve("--model", f"short={copy}")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    assert [model.id for model in client.models.list()] == ["uffizi-tiny", "short"]
    assert loaded(server) == {"uffizi-tiny:latest"}  # the other one when it is asked
    expected = command_line([SHOP], "--task", "caption")[0]
    cut = command_line([SHOP], "--task", "caption", "--beams", "1", "--max-length", "5")[0]
    assert cut["truncated"]
    for name, record in [("uffizi-tiny", expected), ("short", cut)]:
        answer = client.chat.completions.create(model=name, messages=messages("<CAPTION>"))
        assert same(answer.uffizi, record) and answer.model == name
        response = server.annotate(SHOP, ["caption"], model=name)
        assert same(response.json()["results"][0], record) and response.json()["model"] == name
    assert same(server.annotate(SHOP, ["caption"]).json()["results"][0], expected)
    assert loaded(server) == {"uffizi-tiny:latest", "short:latest"}
    assert server.annotate(SHOP, ["caption"], model="other").status_code == 404


def test_the_least_used_is_unloaded(serve, copy):
    """There is room for one and a half."""
    info = subprocess.run([COMMAND, "info", MODEL, "--json"], capture_output=True, check=True)
    size = json.loads(info.stdout)["resident_bytes"]
    assert size > 2 << 20
    server = serve("--model", f"short={copy}", "--model-memory", str(size * 3 // 2 >> 20))
    for name in ("short", "uffizi-tiny", "short"):
        assert server.annotate(SHOP, ["caption"], model=name).status_code == 200
        assert loaded(server) == {name + ":latest"}


TEXT = json.loads((MODEL / "config.json").read_text())["text_config"]
ONE_LAYER = ["model.language_model.encoder.layers.0.fc1"]
ALL_LAYERS = [
    f"model.language_model.{half}.layers.{number}.{layer}"
    for half in ("encoder", "decoder")
    for number in range(TEXT[half + "_layers"])
    for layer in ("fc1", "fc2")
]


def make_adapter(folder, layers=ONE_LAYER, rank=4, size=0.5, seed=5):
    """A LoRA as peft saves it, with numbers at random."""
    random = np.random.default_rng(seed)
    parts, header, offset = [], {}, 0
    for layer in layers:
        half = "encoder" if ".encoder." in layer else "decoder"
        columns, rows = TEXT["d_model"], TEXT[half + "_ffn_dim"]
        if layer.endswith("fc2"):
            columns, rows = rows, columns
        for name, shape in (("A", (rank, columns)), ("B", (rows, rank))):
            values = random.normal(0, size, shape).astype("<f4").tobytes()
            header[f"base_model.model.{layer}.lora_{name}.weight"] = {
                "dtype": "F32",
                "shape": shape,
                "data_offsets": [offset, offset + len(values)],
            }
            parts.append(values)
            offset += len(values)
    text = json.dumps(header).encode()
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(parts)
    )
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def adapter(tmp_path):
    return make_adapter(tmp_path / "adapter")


def test_adapters_by_name(serve, copy, adapter):
    server = serve(
        *("--model", f"short={copy}", "--adapter", f"tuned={adapter}"),
        *("--adapter", f"tuned-short@short={adapter}"),
    )
    ask = lambda name: server.annotate(SHOP, ["more_detailed_caption"], model=name).json()
    options = ["--task", "more_detailed_caption"]
    plain = command_line([SHOP], *options)[0]
    tuned = command_line([SHOP], *options, "--lora", str(adapter))[0]
    assert tuned["token_ids"] != plain["token_ids"]
    assert same(ask("tuned")["results"][0], tuned)
    assert same(ask("uffizi-tiny")["results"][0], plain)
    options += ["--lora", str(adapter), "--beams", "1", "--max-length", "5"]
    assert same(ask("tuned-short")["results"][0], command_line([SHOP], *options)[0])
    names = [model["id"] for model in server.client.get("/v1/models").json()["data"]]
    assert names == ["uffizi-tiny", "short", "tuned", "tuned-short"]


def heap(server):
    """The bytes that the process has for itself: without mapped files."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) << 10


def test_adapters_share_the_weights(serve, tmp_path):
    adapters = [
        make_adapter(tmp_path / f"adapter{seed}", ALL_LAYERS, rank=160, size=0.1, seed=seed)
        for seed in range(3)
    ]
    size = (adapters[0] / "adapter_model.safetensors").stat().st_size
    info = json.loads(subprocess.check_output([COMMAND, "info", MODEL, "--json"]))
    assert size > 3 << 20 and info["resident_bytes"] > 20 << 20
    options = [word for path in adapters for word in ("--adapter", f"{path.name}={path}")]
    server = serve(*options, "--threads", "1")
    task = "more_detailed_caption"
    ask = lambda name: server.annotate(SHOP, [task], model=name).json()["results"][0]
    plain = ask("uffizi-tiny")
    answers = [plain["token_ids"]]
    for path in adapters:
        before = heap(server)
        answer = ask(path.name)
        assert heap(server) - before < size + (4 << 20)
        assert same(answer, command_line([SHOP], "--task", task, "--lora", str(path))[0])
        answers.append(answer["token_ids"])
    assert len({tuple(ids) for ids in answers}) == 4
    assert ask("uffizi-tiny")["token_ids"] == plain["token_ids"]


def test_the_least_used_adapter_is_unloaded(serve, tmp_path):
    """There is room for the model and two adapters, which keep the model loaded."""
    adapters = [
        make_adapter(tmp_path / name, ALL_LAYERS, rank=160, size=0.1) for name in ("a", "b", "c")
    ]
    size = (adapters[0] / "adapter_model.safetensors").stat().st_size
    info = json.loads(subprocess.check_output([COMMAND, "info", MODEL, "--json"]))
    room = info["resident_bytes"] + size * 5 // 2 >> 20
    options = [word for path in adapters for word in ("--adapter", f"{path.name}={path}")]
    server = serve(*options, "--model-memory", str(room))
    for name, expected in (("a", "a"), ("b", "ab"), ("a", "ab"), ("c", "ac"), ("b", "bc")):
        assert server.annotate(SHOP, ["caption"], model=name).status_code == 200
        assert loaded(server) == {"uffizi-tiny:latest", *(f"{one}:latest" for one in expected)}


def test_many_ask_for_a_model_that_is_not_loaded(serve, copy):
    server = serve("--model", f"short={copy}")
    cut = command_line([SHOP], "--task", "caption", "--beams", "1", "--max-length", "5")[0]
    answers = []
    ask = lambda: answers.append(server.annotate(SHOP, ["caption"], model="short").json())
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and all(same(one["results"][0], cut) for one in answers)


def test_names_must_differ(serve, copy):
    with pytest.raises(AssertionError, match="name of its own"):
        serve("--model", f"uffizi-tiny={copy}")
    with pytest.raises(AssertionError, match="no --model is called"):
        serve("--adapter", f"a@other={copy}")
