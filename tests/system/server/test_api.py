"""The REST API: answers equal the command line's, and each mistake is told."""

import base64
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import SAMPLES, SLOW, command_line, same

SHOP = SAMPLES / "shop.jpg"
AQUARIUM = SAMPLES / "aquarium.png"


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()


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


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body,status,words",
    [
        ("", 400, "not valid JSON"),
        ("[]", 400, "must be a JSON object"),
        ("{}", 400, "image is missing"),
        ("[" * 100_000, 400, "nested too deep"),
        ("[" + "0," * 50_000 + "0]", 400, "too many values"),
        ({"image": 5, "tasks": ["od"]}, 400, "image must be a string"),
        ({"image": "!!", "tasks": ["od"]}, 422, "base64"),
        ({"image": "aGVsbG8=", "tasks": ["od"]}, 422, "image"),
        ({"image": "https://example.com/a.jpg", "tasks": ["od"]}, 422, "not fetched"),
        ({"url": "https://example.com/a.jpg", "tasks": ["od"]}, 422, "not fetched"),
        ({"url": "/etc/passwd", "tasks": ["od"]}, 422, "not an http"),
        ({"image": "SHOP", "url": "https://example.com/", "tasks": ["od"]}, 422, "two pictures"),
        ({"image": "SHOP", "tasks": ["od"], "model": "other"}, 404, "uffizi-tiny"),
        ({"image": "SHOP", "tasks": [{"task": "od", "as": "od"}]}, 400, "for a prompt"),
        ({"image": "SHOP", "tasks": [{"prompt": "a", "as": "fly"}]}, 400, "no task is called"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"min_score": 2}}, 400, "min_score"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"labels": "car"}}, 400, "labels"),
        ({"image": "SHOP", "tasks": []}, 422, "say what to ask"),
        ({"image": "SHOP", "tasks": ["fly"]}, 400, "no task is called"),
        ({"image": "SHOP", "tasks": ["od"] * 17}, 400, "at most 16"),
        ({"image": "SHOP", "tasks": [{"task": "od", "text": "cat"}]}, 422, "takes no input"),
        ({"image": "SHOP", "tasks": ["grounding"]}, 422, "needs text"),
        (
            {"image": "SHOP", "tasks": [{"task": "region_to_ocr", "region": [1, 2]}]},
            400,
            "four numbers",
        ),
        ({"image": "SHOP", "tasks": [{"task": "od", "region": [1, 2, 3, 4]}]}, 422, "no region"),
        ({"image": "SHOP", "tasks": [{"prompt": "<OD>x"}]}, 422, "whole prompt"),
        ({"image": "SHOP", "tasks": [{"prompt": "word " * 2000}]}, 422, "tokens"),
        ({"image": "SHOP", "tasks": ["od"], "optoins": {}}, 400, "no field is called optoins"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"num_beams": 0}}, 400, "num_beams"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"num_beams": 17}}, 400, "num_beams"),
        (
            {"image": "SHOP", "tasks": ["od"], "options": {"early_stopping": "x"}},
            422,
            "early_stopping",
        ),
        ({"image": "SHOP", "tasks": ["od"], "options": {"max_length": 100_000}}, 400, "max_length"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"seed": 1.5}}, 400, "integer"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"seed": 2**63}}, 400, "integer"),
        ({"image": "SHOP", "tasks": ["od"], "options": {"max_length": 300}}, 422, "max_length"),
    ],
)
def test_mistakes_in_json(server, body, status, words):
    if isinstance(body, dict):
        body = json.dumps(body).replace('"SHOP"', json.dumps(encoded(SHOP)))
    response = server.client.post("/v1/annotate", content=body, headers=JSON)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and words in problem["detail"], problem
    assert set(problem) == {"type", "title", "status", "detail", "code"}


def test_mistakes_in_forms(server):
    post = lambda **kwargs: server.client.post("/v1/annotate", **kwargs)
    image = {"image": ("a.jpg", SHOP.read_bytes())}
    for response, status, words in [
        (post(files={"picture": b"x"}, data={"task": "od"}), 400, "no field is called picture"),
        (post(files={"x": b""}), 400, "no field"),
        (post(files=image, data={"task": "od", "text": "cat"}), 422, "none of the tasks"),
        (post(files=image, data={"task": "od", "stream": "maybe"}), 400, "true or false"),
        (post(files=image, data={"task": "od", "options": "{"}), 400, "not valid JSON"),
        (post(files=image), 422, "say what to ask"),
        (
            post(files={"image": ("a.jpg", SHOP.read_bytes()[:5000])}, data={"task": "od"}),
            422,
            "a.jpg",
        ),
        (
            post(content=b"--b\r\n", headers={"content-type": "multipart/form-data; boundary=b"}),
            400,
            "whole multipart",
        ),
        (post(content=b"x", headers={"content-type": "multipart/form-data"}), 400, "multipart"),
        (post(content=b"x", headers={"content-type": "text/plain"}), 415, "application/json"),
    ]:
        assert response.status_code == status and words in response.json()["detail"], response.text


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


def test_full_queue(serve):
    """With room for one picture at a time, those beyond the queue are told to come later."""
    server = serve("--max-waiting", "3", "--max-batch", "1", "--workers", "1")
    expected = command_line([SHOP], "--task", "caption")[0]
    with ThreadPoolExecutor(12) as threads:
        slow = threads.submit(server.annotate, SHOP, ["caption"] * 2, options=SLOW)
        server.wait_for("uffizi_running_questions", 1)
        many = [threads.submit(server.annotate, SHOP, ["caption"]) for _ in range(8)]
        answers = [future.result() for future in many]
        assert slow.result().status_code == 200
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused and all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert all(answer.json()["code"] == "overloaded" for answer in refused)
    given = [answer.json()["results"][0] for answer in answers if answer.status_code == 200]
    assert len(given) >= 3 and all(same(result, expected) for result in given)


def test_questions_join_what_runs(serve):
    """One worker: captions join the decoder beside a long answer, which they need not wait for."""
    server = serve("--workers", "1")
    expected = command_line([SHOP], "--task", "caption")[0]
    with ThreadPoolExecutor(12) as threads:
        slow = threads.submit(server.annotate, SHOP, ["caption"] * 2, options=SLOW)
        server.wait_for("uffizi_running_questions", 2)
        many = list(threads.map(lambda _: server.annotate(SHOP, ["caption"]), range(6)))
        assert not slow.done()
        assert slow.result().status_code == 200
    assert all(same(answer.json()["results"][0], expected) for answer in many)
    assert server.metric("uffizi_step_questions_total") > server.metric("uffizi_steps_total")


def test_a_bad_picture_in_a_batch_costs_one_request(serve, tmp_path):
    server = serve()
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(SHOP.read_bytes()[:9000])
    expected = command_line([SHOP], "--task", "caption")[0]
    with ThreadPoolExecutor(8) as threads:
        slow = threads.submit(server.annotate, SHOP, ["caption"] * 2, options=SLOW)
        server.wait_for("uffizi_running_questions", 2)
        good = [threads.submit(server.annotate, SHOP, ["caption"]) for _ in range(3)]
        failed = threads.submit(server.annotate, bad, ["caption"])
        assert slow.result().status_code == 200
        assert failed.result().status_code == 422
        assert all(same(one.result().json()["results"][0], expected) for one in good)


def raw_request(server, fields):
    """A connection on which one whole form was sent, and nothing read."""
    request = httpx2.Request(
        "POST",
        server.url + "/v1/annotate",
        data=fields,
        files={"image": ("a.jpg", SHOP.read_bytes())},
    )
    head = "POST /v1/annotate HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items()
    )
    connection = socket.create_connection((request.url.host, request.url.port))
    connection.sendall(head.encode() + b"\r\n" + request.read())
    return connection


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_client_that_goes_away_frees_its_slot(serve, stream):
    server = serve("--max-batch", "1", "--workers", "1")
    endless = {"task": ["caption"] * 16, "stream": stream, "options": json.dumps(SLOW)}
    running = raw_request(server, endless)
    server.wait_for("uffizi_running_questions", 1)
    waiting = raw_request(server, endless)
    server.wait_for("uffizi_waiting_requests", 1)
    waiting.close()
    server.wait_for("uffizi_waiting_requests", 0)
    running.close()
    server.wait_for("uffizi_active_requests", 1)
    server.wait_for("uffizi_clients_gone_total", 2)
    start = time.monotonic()
    assert server.annotate(SHOP, ["caption"]).status_code == 200
    assert time.monotonic() - start < 5


def test_time_limit(serve):
    server = serve("--max-seconds", "1")
    response = server.annotate(SHOP, ["caption"] * 16, options=SLOW)
    assert response.status_code == 504 and response.json()["code"] == "timeout"
    assert server.annotate(SHOP, ["caption"]).status_code == 200


def test_graceful_shutdown(serve):
    server = serve()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(server.annotate(SHOP, ["caption"], options=SLOW))
    )
    asking.start()
    server.wait_for("uffizi_running_questions", 1)
    server.process.terminate()
    asking.join()
    assert answers[0].status_code == 200  # what was begun is answered
    assert server.process.wait(30) == 0
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(server.url + "/healthz")


def test_impatient_shutdown(serve):
    server = serve("--grace-seconds", "0")
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(server.annotate(SHOP, ["caption"] * 16, options=SLOW))
    )
    asking.start()
    server.wait_for("uffizi_active_requests", 2)
    server.process.terminate()
    asking.join()
    assert answers[0].status_code == 503
    assert server.process.wait(30) == 0


def test_cannot_start(server):
    import subprocess
    from conftest import COMMAND

    port = server.url.rsplit(":", 1)[1]
    ran = subprocess.run([COMMAND, "serve", "--port", port], capture_output=True, text=True)
    assert ran.returncode == 4 and "cannot listen on" in ran.stderr
    ran = subprocess.run(
        [COMMAND, "serve", "--host", "no.such.host.invalid"], capture_output=True, text=True
    )
    assert ran.returncode == 2 and "no.such.host.invalid" in ran.stderr
