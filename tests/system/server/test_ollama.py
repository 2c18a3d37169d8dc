"""Ollama's API, asked by its official Python client."""

import base64
import json

import ollama
import pydantic
import pytest

from conftest import SAMPLES, command_line

SHOP = SAMPLES / "shop.jpg"


@pytest.fixture
def client(server):
    return ollama.Client(host=server.url)


def chat(client, prompt, **more):
    message = {"role": "user", "content": prompt, "images": [str(SHOP)]}
    return client.chat(model="uffizi-tiny", messages=[message], **more)


def expected(task, *options):
    return command_line([SHOP], "--task", task, *options)[0]["result"]


def test_models(client):
    (model,) = client.list().models
    assert model.model == "uffizi-tiny:latest" and model.size > 0 and len(model.digest) == 64
    assert model.details.family == "florence2" and model.details.parameter_size.endswith("B")
    for name in ("uffizi-tiny", "uffizi-tiny:latest"):
        shown = client.show(name)
        assert "vision" in shown.capabilities
        assert shown.modelinfo["general.architecture"] == "florence2"
    assert [one.model for one in client.ps().models] == ["uffizi-tiny:latest"]


def test_version(server):
    version = server.client.get("/api/version").json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 5, 0)  # from where on programs send schemas


@pytest.mark.parametrize(
    "prompt,task",
    [
        ("Describe this picture.", "detailed_caption"),
        ("What is in this image?", "detailed_caption"),
        ("Describe this image in detail", "more_detailed_caption"),
        ("Write a short caption", "caption"),
        ("Describe the image in one sentence.", "caption"),
        ("What text is in it?", "ocr"),
        ("Please read the sign", "ocr"),
        ("What does the image describe?", "caption"),  # the model's own sentence
        ("<CAPTION>", "caption"),
    ],
)
def test_prose_goes_to_a_task(client, prompt, task):
    assert chat(client, prompt).message.content == expected(task)
    answer = client.generate(model="uffizi-tiny", prompt=prompt, images=[str(SHOP)])
    assert answer.response == expected(task)


def test_things_are_told_in_words(client):
    """To prose; a task's token gives its JSON."""
    labels = list(dict.fromkeys(expected("od")["labels"]))
    for prompt in ("List the objects in this picture", "Give me keywords"):
        assert chat(client, prompt).message.content == ", ".join(labels)
    assert json.loads(chat(client, "<OD>").message.content) == expected("od")


def test_other_prompts_are_the_models_own(client):
    prompt = "Which colour is the door?"
    told = command_line([SHOP], "--prompt", prompt)[0]["result"]
    assert chat(client, prompt).message.content == told


def test_the_last_line_tells_what_it_took(client):
    record = command_line([SHOP], "--task", "caption")[0]
    answer = chat(client, "<CAPTION>")
    assert answer.done and answer.done_reason == "stop"
    assert answer.eval_count == len(record["token_ids"]) and answer.prompt_eval_count > 10
    assert answer.total_duration > answer.eval_duration > 0
    cut = chat(client, "<CAPTION>", options={"num_predict": 3, "num_ctx": 4096})
    assert cut.done_reason == "length" and cut.eval_count <= 3


@pytest.mark.parametrize("prompt,task", [("Describe it", "detailed_caption"), ("<OD>", "od")])
def test_streaming(client, prompt, task):
    parts = list(chat(client, prompt, stream=True))
    content = "".join(part.message.content for part in parts)
    wanted = expected(task)
    assert (json.loads(content) if task == "od" else content) == wanted
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    parts = list(
        client.generate(model="uffizi-tiny", prompt=prompt, images=[str(SHOP)], stream=True)
    )
    assert "".join(part.response for part in parts) == content and parts[-1].eval_count > 0


def test_streams_are_lines_of_json(server):
    body = {"model": "uffizi-tiny", "prompt": "<CAPTION>", "images": [encoded()]}
    response = server.client.post("/api/generate", json=body)  # streams unless told otherwise
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert lines[-1]["done"] and all("created_at" in line for line in lines)


def encoded():
    return base64.b64encode(SHOP.read_bytes()).decode()


class Thing(pydantic.BaseModel):
    name: str
    confidence: float


class Things(pydantic.BaseModel):
    labels: list[Thing]


def test_formats(client):
    for prompt in ("List the objects", "Describe it"):  # a form with regions asks for them
        answer = chat(client, prompt, format=Things.model_json_schema())
        things = Things.model_validate_json(answer.message.content).labels
        assert [thing.name for thing in things] == expected("od")["labels"]
    assert json.loads(chat(client, "Describe it", format="json").message.content) == {
        "text": expected("detailed_caption")
    }


def test_loading_alone(client):
    answer = client.generate(model="uffizi-tiny")
    assert answer.done and answer.done_reason == "load"


@pytest.mark.parametrize(
    "change,status,words",
    [
        ({"model": "llava"}, 404, "uffizi-tiny"),
        ({"messages": [{"role": "user", "content": "Describe it"}]}, 422, "send one in images"),
        (
            {"messages": [{"role": "user", "content": "x", "images": [str(SHOP), str(SHOP)]}]},
            422,
            "2 pictures",
        ),
        ({"format": {"type": "object", "properties": {"a": {}}, "required": ["a"]}}, 422, "filled"),
    ],
)
def test_mistakes(client, change, status, words):
    message = {"role": "user", "content": "Describe it", "images": [str(SHOP)]}
    with pytest.raises(ollama.ResponseError) as caught:
        client.chat(**({"model": "uffizi-tiny", "messages": [message]} | change))
    assert caught.value.status_code == status and words in caught.value.error


def test_key(serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    with pytest.raises(ollama.ResponseError) as caught:
        ollama.Client(host=server.url).list()
    assert caught.value.status_code == 401
    client = ollama.Client(host=server.url, headers={"Authorization": "Bearer secret"})
    assert len(client.list().models) == 1
