"""Requests side by side: the queue, joining what runs, clients that go away, time limits, the end."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from conftest import SAMPLES, SLOW, command_line, same

SHOP = SAMPLES / "shop.jpg"


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
