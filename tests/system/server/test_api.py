"""The REST API: answers equal the command line's, and limits hold."""

import json
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import COMMAND, JSON, SAMPLES, SLOW, command_line, encoded, same

SHOP = SAMPLES / "shop.jpg"
AQUARIUM = SAMPLES / "aquarium.png"


def events_of(text):
    """(name, data) of a stream of server-sent events."""
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            fields = dict(line.split(": ", 1) for line in lines)
            yield fields.get("event"), json.loads(fields["data"])


def test_form_answers_as_the_command_line(server):
    response = server.annotate(
        SHOP,
        ["od", "caption", "grounding", "region_to_category"],
        text="a hamburger",
        region="10,20,300,200",
    )
    assert response.status_code == 200, response.text
    expected = command_line(
        [SHOP],
        "--task",
        "od",
        "--task",
        "caption",
        "--task",
        "grounding",
        "--task",
        "region_to_category",
        "--text",
        "a hamburger",
        "--region",
        "10,20,300,200",
    )
    results = response.json()["results"]
    assert len(results) == 4 and all(map(same, results, expected))
    assert results[0]["image"] == "shop.jpg" and results[0]["timings"]["vision_encoder"] > 0
    assert results[1]["timings"]["vision_encoder"] == 0  # encoded once for all


def test_every_task_as_json(server):
    tasks = server.client.get("/v1/tasks").json()["tasks"]
    assert len(tasks) == 15
    asked, options = [], []
    for task in tasks:
        options += ["--task", task["name"]]
        if task["input"] == "none":
            asked.append(task["name"])
        elif task["input"] == "text":
            asked.append({"task": task["token"], "text": "a fish"})
        else:
            asked.append({"task": task["name"], "region": [20, 30.5, 400, 500]})
    body = {
        "image": "data:image/png;base64," + encoded(AQUARIUM),
        "name": "aquarium",
        "tasks": asked,
    }
    response = server.client.post("/v1/annotate", json=body)
    assert response.status_code == 200, response.text
    expected = command_line([AQUARIUM], *options, "--text", "a fish", "--region", "20,30.5,400,500")
    results = response.json()["results"]
    assert len(results) == 15 and all(map(same, results, expected))
    assert results[0]["image"] == "aquarium"


def test_options_and_prompts(server):
    options = {"num_beams": 2, "max_length": 12, "no_exif": True, "drop_alpha": True}
    response = server.client.post(
        "/v1/annotate",
        json={
            "image": encoded(SHOP),
            "tasks": [{"prompt": "<MORE_DETAILED_CAPTION>"}, {"prompt": "a dog"}],
            "options": options,
        },
    )
    expected = command_line(
        [SHOP],
        "--prompt",
        "<MORE_DETAILED_CAPTION>",
        "--prompt",
        "a dog",
        "--beams",
        "2",
        "--max-length",
        "12",
    )
    results = response.json()["results"]
    assert all(map(same, results, expected)) and results[0]["truncated"]


def test_regions_are_chosen_as_on_the_command_line(server):
    everything = command_line([SHOP], "--task", "od")[0]["result"]
    labels = sorted(set(everything["labels"]))
    score = sorted(everything["scores"])[len(everything["scores"]) // 2]
    assert len(labels) > 1
    for options, flags in [
        ({"labels": labels[:1]}, ["--labels", labels[0]]),
        ({"min_score": score}, ["--min-score", str(score)]),
    ]:
        expected = command_line([SHOP], "--task", "od", *flags)[0]
        response = server.annotate(SHOP, ["od"], options=options)
        assert same(response.json()["results"][0], expected)
        assert expected["result"] != everything


def test_a_prompt_answers_as_a_task(server):
    expected = command_line([SHOP], "--prompt", "Locate the objects.", "--as", "od")[0]
    assert expected["result"]["bboxes"]
    response = server.annotate(SHOP, [], prompt="Locate the objects.", **{"as": "od"})
    assert same(response.json()["results"][0], expected)
    body = {
        "image": encoded(SHOP),
        "tasks": [{"prompt": "Locate the objects.", "as": "od"}],
    }
    assert same(server.client.post("/v1/annotate", json=body).json()["results"][0], expected)


def test_streaming(server):
    long = {
        "num_beams": 1,
        "min_length": 200,
        "max_length": 250,
    }  # so that its tokens do not come all at once
    response = server.annotate(SHOP, ["caption", "od"], stream="true", options=long)
    assert response.headers["content-type"] == "text/event-stream"
    events = list(events_of(response.text))
    expected = command_line(
        [SHOP],
        "--task",
        "caption",
        "--task",
        "od",
        "--beams",
        "1",
        "--min-length",
        "200",
        "--max-length",
        "250",
    )
    results = [data for name, data in events if name == "result"]
    assert len(results) == 2 and all(map(same, results, expected))
    assert events[-1][0] == "done" and events[-1][1]["model"] == "uffizi-tiny"
    texts = [data["text"] for name, data in events if name == "text" and data["question"] == 0]
    assert len(texts) > 2 and all(expected[0]["text"].startswith(text) for text in texts)
    assert sorted(texts, key=len) == texts


def test_streaming_begins_before_the_end(server):
    picture = {"image": (SHOP.name, SHOP.read_bytes())}
    fields = {"task": "caption", "stream": "true", "options": json.dumps(SLOW)}
    first = None
    with server.client.stream("POST", "/v1/annotate", files=picture, data=fields) as response:
        start = time.monotonic()
        for line in response.iter_lines():
            if line == "event: text" and first is None:
                first = time.monotonic() - start
        whole = time.monotonic() - start
    assert first < whole / 2


def test_paths_and_methods(server):
    assert server.client.get("/nowhere").status_code == 404
    response = server.client.put("/v1/annotate", content=b"x" * 100_000)
    assert response.status_code == 405 and response.headers["allow"] == "POST"
    response = server.client.head("/v1/models")
    assert response.status_code == 200 and response.text == ""
    assert server.client.get("/healthz").json() == {"status": "ok"}
    models = server.client.get("/v1/models").json()["data"]
    assert [model["id"] for model in models] == ["uffizi-tiny"]
    assert server.client.get("/v1/models/uffizi-tiny").json() == models[0]
    assert server.client.get("/v1/models/other").status_code == 404


def test_metrics_are_prometheus(server):
    server.annotate(SHOP, ["od"])
    families = {
        family.name: family
        for family in text_string_to_metric_families(server.client.get("/metrics").text)
    }
    requests = families["uffizi_requests"].samples
    assert (
        sum(
            sample.value
            for sample in requests
            if sample.labels == {"path": "/v1/annotate", "status": "200"}
        )
        >= 1
    )
    assert families["uffizi_request_seconds"].type == "histogram"
    assert families["uffizi_tokens"].samples[0].value > 0


def test_limits(serve):
    server = serve("--max-body", "1", "--max-pixels", "100000", "--max-tokens", "5")
    response = server.annotate(SHOP, ["od"])
    assert response.status_code == 413 and response.json()["code"] == "image_too_large"
    small = SAMPLES.parent / "tests" / "data" / "image" / "baseline.jpg"
    result = server.annotate(small, ["more_detailed_caption"]).json()["results"][0]
    assert result["truncated"] and len(result["token_ids"]) <= 5
    response = server.client.post("/v1/annotate", content=b"x" * (1_500_000), headers=JSON)
    assert response.status_code == 413 and response.json()["code"] == "body_too_large"
    chunks = (b"x" * 100_000 for _ in range(15))  # of no length known before
    response = server.client.post("/v1/annotate", content=chunks, headers=JSON)
    assert response.status_code == 413 and response.json()["code"] == "body_too_large"
    # No end in sight: the answer comes all the same.
    response = server.client.post(
        "/v1/annotate", content=(b"x" * 100_000 for _ in range(1000)), headers=JSON
    )
    assert response.status_code == 413


@pytest.mark.parametrize("where", ["file", "environment"])
def test_api_key(serve, tmp_path, where):
    (tmp_path / "key").write_text("secret\n")
    if where == "file":
        server = serve("--api-key-file", tmp_path / "key")
    else:
        server = serve(env={"UFFIZI_API_KEY": "secret"})
    assert server.client.get("/healthz").status_code == 200
    for key, status in [
        (None, 401),
        ("Bearer secre", 401),
        ("Bearer secret2", 401),
        ("Basic secret", 401),
        ("Bearer", 401),
        ("Bearer secret", 200),
    ]:
        headers = {"authorization": key} if key else {}
        response = server.client.get("/v1/models", headers=headers)
        assert response.status_code == status, key
    response = server.annotate(SHOP, ["od"])
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"


def test_cannot_start(server):
    port = server.url.rsplit(":", 1)[1]
    ran = subprocess.run([COMMAND, "serve", "--port", port], capture_output=True, text=True)
    assert ran.returncode == 4 and "cannot listen on" in ran.stderr
    ran = subprocess.run(
        [COMMAND, "serve", "--host", "no.such.host.invalid"], capture_output=True, text=True
    )
    assert ran.returncode == 2 and "no.such.host.invalid" in ran.stderr
