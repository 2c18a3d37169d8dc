"""Several models and adapters in one server."""

import json
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


@pytest.fixture
def adapter(tmp_path):
    """A LoRA as peft saves it, with numbers at random."""
    layer, rows, columns, rank = "model.language_model.encoder.layers.0.fc1", *shape(), 4
    random = np.random.default_rng(5)
    parts, header, offset = [], {}, 0
    for name, size in (("A", (rank, columns)), ("B", (rows, rank))):
        values = random.normal(0, 0.5, size).astype("<f4").tobytes()
        header[f"base_model.model.{layer}.lora_{name}.weight"] = {
            "dtype": "F32",
            "shape": size,
            "data_offsets": [offset, offset + len(values)],
        }
        parts.append(values)
        offset += len(values)
    text = json.dumps(header).encode()
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(parts)
    )
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 8}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def shape():
    """Of the layer that the adapter changes."""
    config = json.loads((MODEL / "config.json").read_text())["text_config"]
    return config["encoder_ffn_dim"], config["d_model"]


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
