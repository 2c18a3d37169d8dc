"""What a stranger can send costs no more than it may: each attack has a bound."""

import base64
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from conftest import COMMAND, MODEL, SAMPLES, command_line, free_port, same
from raw_http import ask, connect, ended, read_response, seconds_since

SHOP = SAMPLES / "shop.jpg"
HEAD = b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MB = 1 << 20


def memory(server, field):
    for line in open(f"/proc/{server.process.pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


def healthy(server, within=2.0):
    start = time.monotonic()
    answer = ask(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", timeout=10)
    assert answer is not None and answer[0] == 200, answer
    assert seconds_since(start) < within


def test_names_are_short(server):
    image = base64.b64encode(SHOP.read_bytes()).decode()
    for name, status in (("n" * 255, 200), ("n" * 256, 400), ("ä" * 128, 400)):
        response = server.client.post(
            "/v1/annotate", json={"image": image, "tasks": ["od"], "name": name}
        )
        assert response.status_code == status, response.text
        form = server.client.post(
            "/v1/annotate", files={"image": (name, SHOP.read_bytes())}, data={"task": "od"}
        )
        assert form.status_code == (200 if status == 200 else 400)


def test_prompts_are_short(server):
    response = server.client.post(
        "/v1/annotate",
        json={
            "image": base64.b64encode(SHOP.read_bytes()).decode(),
            "tasks": [{"prompt": "a" * 32769}],
        },
    )
    assert response.status_code == 400 and "32768" in response.json()["detail"]


def test_cost(serve):
    server = serve("--max-cost", "1000")
    ask_for = lambda tasks, **options: server.annotate(SHOP, tasks, options=options)
    assert ask_for(["caption"] * 3).status_code == 200  # of 256 tokens and one beam
    refused = ask_for(["caption"] * 4)
    assert refused.status_code == 400 and "1024" in refused.json()["detail"]
    assert ask_for(["caption"] * 4, max_length=20).status_code == 200
    assert ask_for(["caption"] * 2, num_beams=8, max_length=100).status_code == 400


def test_a_form_of_many_parts(server):
    part = b'--b\r\nContent-Disposition: form-data; name="task"\r\n\r\n\r\n'
    body = part * 500_000 + b"--b--\r\n"
    start = time.monotonic()
    response = server.client.post(
        "/v1/annotate", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert response.status_code == 400 and "at most" in response.json()["detail"]
    assert seconds_since(start) < 2


def test_a_body_far_over_the_limit_gets_its_answer(serve):
    server = serve("--max-body", "1")
    for content in (b"x" * (30 * MB), (b"x" * MB for _ in range(30))):
        response = server.client.post(
            "/v1/annotate", content=content, headers={"content-type": "application/json"}
        )
        assert response.status_code == 413 and response.json()["code"] == "body_too_large"


@pytest.mark.parametrize("kind", ["form", "json"])
def test_uploads_at_once_stay_within_the_budget(serve, kind):
    server = serve("--max-memory", "128", "--max-body", "32")
    healthy(server)
    server.annotate(SHOP, ["od"])  # what is needed anyway
    before = memory(server, "VmRSS")
    picture = b"\xff\xd8" + os.urandom(20 * MB)  # no picture in the end
    if kind == "form":
        request = httpx2.Request(
            "POST",
            server.url + "/v1/annotate",
            files={"image": ("a", picture)},
            data={"task": "od"},
        )
    else:
        request = httpx2.Request(
            "POST",
            server.url + "/v1/annotate",
            json={"image": base64.b64encode(picture).decode(), "tasks": ["od"]},
        )
    head = (
        b"POST /v1/annotate HTTP/1.1\r\n"
        + b"".join(f"{name}: {value}\r\n".encode() for name, value in request.headers.items())
        + b"\r\n"
    )
    body = request.read()

    def upload(_):
        with connect(server, 60) as connection:
            try:
                connection.sendall(head + body)
            except OSError:
                pass
            answer = read_response(connection)
            return answer and (answer[0], answer[1].get("retry-after"))

    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(upload, range(40)))
    peak = memory(server, "VmHWM") - before
    statuses = {answer[0] for answer in answers if answer}
    assert statuses == {422, 503}, answers
    assert all(int(retry) > 0 for status, retry in filter(None, answers) if status == 503)
    assert peak < 128 * MB + 40 * MB, peak / MB
    # It goes back to the system.
    end = time.monotonic() + 10
    while memory(server, "VmRSS") - before > 40 * MB:
        assert time.monotonic() < end, memory(server, "VmRSS") / MB
        time.sleep(0.2)
    assert server.metric("uffizi_held_bytes") == 0
    assert server.annotate(SHOP, ["od"]).status_code == 200


def test_announced_bodies_that_do_not_come(serve):
    """Each announces 32 MB and sends nothing: the budget is gone, and soon there again."""
    server = serve("--max-memory", "128", "--body-seconds", "1")
    connections = [connect(server) for _ in range(10)]
    for connection in connections:
        connection.sendall(HEAD + b"Content-Length: 30000000\r\n\r\n{")
    time.sleep(0.3)
    healthy(server)
    assert any(
        answer is not None and answer[0] == 503
        for answer in [ask(server, HEAD + b"Content-Length: 30000000\r\n\r\n{")]
    )
    time.sleep(1.5)
    assert server.annotate(SHOP, ["od"]).status_code == 200
    for connection in connections:
        connection.close()


def test_slow_drips(serve):
    """Connections that send a byte now and then are ended, and never keep the others out."""
    server = serve(
        "--max-connections",
        "64",
        "--head-seconds",
        "2",
        "--body-seconds",
        "2",
        "--idle-seconds",
        "2",
        "--max-per-address",
        "0",
    )
    drips = []
    for i in range(100):
        drips.append(connect(server))
        drips[-1].sendall([b"", b"G", HEAD + b"Content-Length: 100\r\n\r\n{"][i % 3])
    start = time.monotonic()
    ended_by_then = 0
    while seconds_since(start) < 4.5:
        healthy(server)
        assert server.client.get("/metrics").status_code == 200
        for connection in drips[1:]:
            try:
                connection.send(b" ")
            except OSError:
                pass
        time.sleep(0.5)
    for connection in drips:
        ended_by_then += ended(connection, 0.5)
        connection.close()
    assert ended_by_then == len(drips)
    assert server.annotate(SHOP, ["od"]).status_code == 200


def test_one_address_does_not_take_all(serve):
    server = serve("--max-connections", "32", "--max-per-address", "8")
    held = [connect(server) for _ in range(8)]
    for connection in held:
        connection.sendall(b"G")
    time.sleep(0.3)
    refused = ask(server, HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert refused[0] == 429 and int(refused[1]["retry-after"]) > 0
    healthy(server)
    held.pop().close()
    time.sleep(0.3)
    assert ask(server, HEAD + b"Content-Length: 2\r\n\r\n{}")[0] == 400
    for connection in held:
        connection.close()


def test_full_house(serve):
    """Beyond the limit of connections only health and metrics are answered; the others hear so."""
    server = serve("--max-connections", "8", "--max-per-address", "0", "--head-seconds", "30")
    held = [connect(server) for _ in range(8)]
    for connection in held:
        connection.sendall(b"G")
    time.sleep(0.3)
    refused = ask(server, HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert refused[0] == 503 and int(refused[1]["retry-after"]) > 0
    # Nor can the reserve be held.
    more = [connect(server) for _ in range(50)]
    for connection in more:
        connection.sendall(b"G")
    for _ in range(5):
        healthy(server)
    for connection in held + more:
        connection.close()


def test_idle_connections_make_way(serve):
    server = serve("--max-connections", "4", "--max-per-address", "0")
    idle = [connect(server) for _ in range(4)]
    for connection in idle:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_response(connection)[0] == 200
    assert ask(server, HEAD + b"Content-Length: 2\r\n\r\n{}")[0] == 400
    assert ended(idle[0])
    for connection in idle:
        connection.close()


def test_clients_that_never_read(serve):
    """An answer, or a stream's piece, that nobody takes ends its connection."""
    server = serve("--write-seconds", "1")
    fields = {
        "image": base64.b64encode(SHOP.read_bytes()).decode(),
        "tasks": ["caption"] * 16,
        "stream": True,
        "options": {"num_beams": 1, "min_length": 250, "max_length": 250},
    }
    body = json.dumps(fields).encode()
    held = []
    for _ in range(4):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        url = httpx2.URL(server.url)
        connection.connect((url.host, url.port))
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        held.append(connection)
    server.wait_for("uffizi_active_requests", 1, seconds=60)
    healthy(server)
    for connection in held:
        connection.close()


@pytest.mark.parametrize("where", ["full", "dead"])
def test_nobody_hears_it(where, tmp_path):
    """A standard error that cannot be written costs no request and no job."""
    if where == "full":
        error = open("/dev/full", "w")
    else:
        reader, writer = os.pipe()
        os.close(reader)
        error = os.fdopen(writer, "w")
    with error:
        ran = subprocess.run(
            [
                COMMAND,
                "annotate",
                SHOP,
                SAMPLES / "none.jpg",
                "--model",
                MODEL,
                "--task",
                "od",
                "--format",
                "jsonl",
                "--output",
                tmp_path / "out.jsonl",
            ],
            stderr=error,
        )
        assert ran.returncode == 1
        assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["image"]
        # Errors of an option have their exit code still.
        assert (
            subprocess.run(
                [COMMAND, "annotate", SHOP, "--model", MODEL, "--task", "fly"], stderr=error
            ).returncode
            == 2
        )
        port = free_port()
        process = subprocess.Popen(
            [COMMAND, "serve", "--model", MODEL, "--port", str(port)], stderr=error
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    assert httpx2.get(url + "/healthz").status_code == 200
                    break
                except httpx2.HTTPError:
                    time.sleep(0.1)
            answer = httpx2.post(
                url + "/v1/annotate",
                files={"image": ("a", SHOP.read_bytes())},
                data={"task": "od"},
                timeout=60,
            )
            assert same(answer.json()["results"][0], command_line([SHOP], "--task", "od")[0])
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_full_disk_for_answers():
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [COMMAND, "info", MODEL], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ran.returncode == 4 and "standard output" in ran.stderr
