"""What whoever runs the server relies on: signals, logs, sockets, keys, load generation."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import httpx2
import pytest

from conftest import COMMAND, MODEL, SAMPLES, SLOW, command_line, same
from raw_http import connect

SHOP = SAMPLES / "shop.jpg"
NEW_PROCESSES = ["unshare", "--pid", "--fork", "--kill-child"]


def test_signals_that_mean_nothing(serve):
    server = serve()
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        server.process.send_signal(number)
        time.sleep(0.05)
    assert server.annotate(SHOP, ["od"]).status_code == 200


def test_a_second_signal_ends_at_once(serve):
    server = serve()
    asking = threading.Thread(target=lambda: expect_nothing(server))
    asking.start()
    server.wait_for("uffizi_running_questions", 8)
    server.process.terminate()
    time.sleep(0.3)
    assert server.process.poll() is None  # it answers what is open
    server.process.terminate()
    assert server.process.wait(5) == 128 + signal.SIGTERM
    asking.join()


def expect_nothing(server):
    try:
        server.annotate(SHOP, ["caption"] * 16, options=SLOW)
    except httpx2.HTTPError:
        pass


def test_first_process_of_a_container(tmp_path):
    """For process 1 the system does nothing by itself: signals without a handler are lost."""
    if (
        not shutil.which("unshare")
        or subprocess.run([*NEW_PROCESSES, "true"], capture_output=True).returncode != 0
    ):
        pytest.skip("no new process namespace may be made here")
    process = subprocess.Popen(
        [*NEW_PROCESSES, COMMAND, "serve", "--model", MODEL, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"http://\S+/", process.stderr.readline())[0]
        children = open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()
        first = int(children[0])
        assert re.search(r"^NSpid:\s+\d+\s+1$", open(f"/proc/{first}/status").read(), re.MULTILINE)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            os.kill(first, number)
        picture = {"image": ("a.jpg", SHOP.read_bytes())}
        fields = {"task": ["caption"] * 16, "options": json.dumps(SLOW)}
        asking = threading.Thread(target=lambda: try_post(url + "v1/annotate", picture, fields))
        asking.start()
        time.sleep(1)
        os.kill(first, signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        os.kill(first, signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
        asking.join()
    finally:
        process.kill()
        process.stderr.close()


def try_post(url, files, data):
    try:
        httpx2.post(url, files=files, data=data, timeout=60)
    except httpx2.HTTPError:
        pass


def test_access_log(serve, tmp_path):
    log = tmp_path / "access.jsonl"
    server = serve("--log", log, "--max-waiting", "1")
    assert server.annotate(SHOP, ["od"]).status_code == 200
    assert server.client.get('/nothing here"').status_code in (400, 404)
    assert (
        server.client.post(
            "/v1/annotate", content=b"{", headers={"content-type": "application/json"}
        ).status_code
        == 400
    )
    with connect(server) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.recv(1000)
    time.sleep(0.3)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines][0] == 200 and len(lines) == 4
    first = lines[0]
    assert (
        first["method"] == "POST"
        and first["path"] == "/v1/annotate"
        and first["client"] == "127.0.0.1"
    )
    assert (
        first["bytes_in"] > len(SHOP.read_bytes())
        and first["bytes_out"] > 100
        and 0 < first["seconds"] < 60
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", first["time"])
    assert "cause" not in first and "JSON" in lines[2]["cause"] and lines[3]["status"] == 400
    # As logrotate does.
    log.rename(tmp_path / "old.jsonl")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert server.client.get("/healthz").status_code == 200
    time.sleep(0.3)
    assert json.loads(log.read_text())["path"] == "/healthz"


def test_a_log_that_cannot_be_written(serve):
    server = serve("--log", "/dev/full")
    assert server.annotate(SHOP, ["od"]).status_code == 200
    ran = subprocess.run(
        [COMMAND, "serve", "--model", MODEL, "--port", "0", "--log", "/nowhere/log"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 4 and "/nowhere/log" in ran.stderr


def test_nobody_reads_the_log():
    """A pipe that is full delays nobody."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [COMMAND, "serve", "--model", MODEL, "--port", "0", "--log", "-"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    try:
        url = re.search(r"http://\S+/", process.stderr.readline())[0]
        with httpx2.Client(base_url=url) as client:
            start = time.monotonic()
            for _ in range(1500):
                assert client.get("/nothing/" + "x" * 400).status_code == 404
            assert time.monotonic() - start < 30
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stderr.close()
        os.close(reader)


def test_causes_on_standard_error(serve):
    server = serve("--max-waiting", "1", "--max-batch", "1", "--workers", "1")
    threads = [threading.Thread(target=lambda: expect_nothing(server)) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    server.process.terminate()
    server.process.terminate()
    for thread in threads:
        thread.join()
    text = server.process.stderr.read()
    assert re.search(
        r"^uffizi: 503 POST /v1/annotate: \d+ requests are waiting already", text, re.MULTILINE
    ), text


def test_unix_socket(tmp_path):
    path = tmp_path / "socket"
    start = lambda: subprocess.Popen(
        [COMMAND, "serve", "--model", MODEL, "--unix-socket", path],
        stderr=subprocess.PIPE,
        text=True,
    )
    process = start()
    try:
        assert f"unix:{path}" in process.stderr.readline()
        with httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://x", timeout=60
        ) as client:
            answer = client.post(
                "/v1/annotate", files={"image": ("a", SHOP.read_bytes())}, data={"task": "od"}
            )
        assert same(answer.json()["results"][0], command_line([SHOP], "--task", "od")[0])
        health = subprocess.run([COMMAND, "health", f"unix:{path}"], capture_output=True, text=True)
        assert health.returncode == 0 and health.stdout == '{"status": "ok"}\n'
        # Another cannot take it, and one that was killed leaves it to the next.
        second = start()
        assert second.wait(20) == 4
        assert str(path) in second.stderr.read()
        second.stderr.close()
        process.kill()
        process.wait(5)
        process.stderr.close()
        assert path.exists()
        process = start()
        assert f"unix:{path}" in process.stderr.readline()
        process.terminate()
        assert process.wait(20) == 0 and not path.exists()
    finally:
        process.kill()
        process.stderr.close()
    (tmp_path / "mine").write_text("mine")
    ran = subprocess.run(
        [COMMAND, "serve", "--model", MODEL, "--unix-socket", tmp_path / "mine"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 4 and (tmp_path / "mine").read_text() == "mine"


def test_health_of_nobody():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    ran = subprocess.run([COMMAND, "health", url], capture_output=True, text=True)
    assert ran.returncode == 1 and "refused" in ran.stderr


def test_several_keys(serve, tmp_path):
    (tmp_path / "keys").write_text("# of the shop\nfirst\n\n  \n# of the lab\nsecond\r\n")
    server = serve("--api-key-file", tmp_path / "keys")
    for key, status in [
        ("first", 200),
        ("second", 200),
        ("# of the lab", 401),
        ("x", 401),
        ("firstsecond", 401),
    ]:
        response = server.client.get("/v1/models", headers={"authorization": "Bearer " + key})
        assert response.status_code == status, key


def test_a_warning_beyond_loopback(tmp_path):
    (tmp_path / "key").write_text("secret")
    for options, warned in (
        (["--host", "0.0.0.0"], True),
        ([], False),
        (["--host", "0.0.0.0", "--api-key-file", tmp_path / "key"], False),
    ):
        process = subprocess.Popen(
            [COMMAND, "serve", "--model", MODEL, "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stderr.readline()
        time.sleep(0.3)
        process.terminate()
        assert process.wait(20) == 0
        assert ("warning" in process.stderr.read()) == warned
        process.stderr.close()


def bench(server, *options):
    return subprocess.run(
        [COMMAND, "bench", *map(str, options), "--server", server.url, "--json"],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "load", [["--connections", "4", "--requests", "24"], ["--rate", "20", "--seconds", "2"]]
)
def test_bench(server, tmp_path, load):
    pictures = [SHOP, SAMPLES / "meadow.jpg"]
    answers = tmp_path / "answers.jsonl"
    subprocess.run(
        [
            COMMAND,
            "annotate",
            *pictures,
            "--model",
            MODEL,
            "--task",
            "od",
            "--task",
            "caption",
            "--beams",
            "2",
            "--format",
            "jsonl",
            "--output",
            answers,
            "--quiet",
        ],
        check=True,
    )
    asked = ["--task", "od", "--task", "caption", "--beams", "2"]
    ran = bench(server, *pictures, *asked, *load, "--expect", answers)
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["wrong"] == 0 and report["answered"] == report["requests"] > 10
    assert report["latency"]["p50"] <= report["latency"]["p95"] <= report["latency"]["max"]
    if "--requests" in load:
        assert report["requests"] == 24
    # One that expects something else is told.
    answers.write_text(answers.read_text().replace("<s>", "<s>x", 1))
    ran = bench(server, *pictures, *asked, *load, "--expect", answers)
    assert ran.returncode == 1 and json.loads(ran.stdout)["wrong"] > 0
