"""Several models and adapters in one server."""

import base64
import json
import shutil
import threading

import openai
import pytest

from conftest import MODEL, SAMPLES, SOURCE, command_line, same
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
    size = json.loads(info())["resident_bytes"]
    server = serve("--model", f"short={copy}", "--model-memory", str(size * 3 // 2 >> 20 or 1))
    for name in ("short", "uffizi-tiny", "short"):
        assert server.annotate(SHOP, ["caption"], model=name).status_code == 200
        assert loaded(server) == {name + ":latest"}


def info():
    import subprocess

    from conftest import COMMAND

    return subprocess.run(
        [COMMAND, "info", MODEL, "--json"], capture_output=True, text=True, check=True
    ).stdout


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
