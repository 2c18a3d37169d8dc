"""Many requests on 32 connections, bad ones among them: every answer is the command line's, and
memory stays. UFFIZI_LOAD_REQUESTS sets how many (default 600)."""

import base64
import os
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from conftest import SAMPLES, Server, command_line, same

REQUESTS = int(os.environ.get("UFFIZI_LOAD_REQUESTS", "600"))
CONNECTIONS = 32
PICTURES = sorted(SAMPLES.glob("*.jpg")) + [SAMPLES / "aquarium.png"]
QUESTIONS = [
    ("od", None),
    ("caption", None),
    ("ocr_with_region", None),
    ("detailed_caption", None),
    ("region_proposal", None),
    ("grounding", "a tree and a fish"),
    ("region_to_category", "10,20,300,300"),
    ("region_to_segmentation", "50,40,200,260"),
]


def expected_answers():
    """What the command line says, by picture and task."""
    options = []
    for task, given in QUESTIONS:
        options += ["--task", task]
        if given:
            options += ["--text" if task == "grounding" else "--region", given]
    records = command_line(PICTURES, *options)
    assert len(records) == len(PICTURES) * len(QUESTIONS)
    each = len(QUESTIONS)
    return {
        (picture.name, task): record
        for p, picture in enumerate(PICTURES)
        for (task, _), record in zip(QUESTIONS, records[p * each : (p + 1) * each])
    }


class Client:
    """One connection's worth of requests, good and bad."""

    def __init__(self, server, expected, seed):
        self.server, self.expected = server, expected
        self.random = random.Random(seed)
        self.http = httpx2.Client(base_url=server.url, timeout=300)
        self.answered = self.refused = self.busy = 0

    def question(self):
        picture = self.random.choice(PICTURES)
        return picture, self.random.sample(QUESTIONS, self.random.choice([1, 1, 1, 2, 3]))

    def check(self, picture, asked, response):
        if response.status_code == 503:
            self.busy += 1
            return
        assert response.status_code == 200, response.text
        records = response.json()["results"]
        assert len(records) == len(asked)
        for (task, _), record in zip(asked, records):
            assert same(record, self.expected[picture.name, task]), (picture, task, record)
        self.answered += 1

    def good_form(self):
        picture, asked = self.question()
        fields = {"task": [task for task, _ in asked]}
        for name, kind in (("text", "grounding"), ("region", "region")):
            values = [given for task, given in asked if given and task.startswith(kind)]
            if values:
                fields[name] = values
        self.check(
            picture,
            asked,
            self.http.post(
                "/v1/annotate", files={"image": (picture.name, picture.read_bytes())}, data=fields
            ),
        )

    def good_json(self):
        picture, asked = self.question()
        tasks = [
            {"task": task} | ({"text" if task == "grounding" else "region": given} if given else {})
            for task, given in asked
        ]
        self.check(
            picture,
            asked,
            self.http.post(
                "/v1/annotate",
                json={
                    "image": base64.b64encode(picture.read_bytes()).decode(),
                    "name": picture.name,
                    "tasks": tasks,
                },
            ),
        )

    def expect_refusal(self, response):
        if response.status_code == 503:
            self.busy += 1
            return
        assert 400 <= response.status_code < 500, response.text
        self.refused += 1

    def broken_picture(self):
        data = bytearray(self.random.choice(PICTURES).read_bytes())
        del data[self.random.randrange(len(data) - 100) :]
        self.expect_refusal(
            self.http.post("/v1/annotate", files={"image": ("a", bytes(data))}, data={"task": "od"})
        )

    def broken_body(self):
        body = self.random.randbytes(self.random.randrange(3000))
        kind = self.random.choice(
            ["application/json", "multipart/form-data; boundary=x", "text/plain"]
        )
        self.expect_refusal(
            self.http.post("/v1/annotate", content=body, headers={"content-type": kind})
        )

    def wrong_question(self):
        picture = base64.b64encode(self.random.choice(PICTURES).read_bytes()).decode()
        tasks = self.random.choice(
            [
                ["fly"],
                [],
                [{"task": "od", "text": "x"}],
                [{"prompt": "<OD>x"}],
                ["grounding"],
                [5],
                None,
                [{"task": "region_to_ocr", "region": "1,2"}],
            ]
        )
        self.expect_refusal(self.http.post("/v1/annotate", json={"image": picture, "tasks": tasks}))

    def wrong_place(self):
        path = self.random.choice(
            ["/v1/annotat", "/v1", "/%00", "/%ff", "/..%2f..%2fetc/passwd", "/v1/models/x"]
        )
        self.expect_refusal(self.http.get(path))

    def raw_noise(self):
        """Bytes that may be no HTTP at all, and a connection that is dropped half way."""
        noise = self.random.choice(
            [
                self.random.randbytes(500),
                b"GET / HTTP/9.9\r\n\r\n",
                b"POST /v1/annotate HTTP/1.1\r\n",
                b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc",
                b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                b"A" * 100_000,
            ]
        )
        url = httpx2.URL(self.server.url)
        with socket.create_connection((url.host, url.port)) as connection:
            try:
                connection.sendall(noise)
            except OSError:  # the server has heard enough
                pass
        self.refused += 1

    def leaves_early(self):
        picture, _ = self.question()
        try:
            with self.http.stream(
                "POST",
                "/v1/annotate",
                data={"task": "od", "stream": "true"},
                files={"image": (picture.name, picture.read_bytes())},
            ) as response:
                next(response.iter_bytes(), None)
        except httpx2.HTTPError:
            pass
        self.refused += 1

    def run(self, count):
        kinds = [
            self.good_form,
            self.good_json,
            self.broken_picture,
            self.broken_body,
            self.wrong_question,
            self.wrong_place,
            self.raw_noise,
            self.leaves_early,
        ]
        for kind in self.random.choices(kinds, weights=[8, 6, 1, 1, 1, 1, 1, 1], k=count):
            kind()
        self.http.close()
        return self


def run_load(server, expected, requests, seed):
    share = requests // CONNECTIONS
    clients = [Client(server, expected, seed + i) for i in range(CONNECTIONS)]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return list(threads.map(lambda client: client.run(share), clients))


def test_load():
    expected = expected_answers()
    server = Server()
    try:
        run_load(server, expected, max(CONNECTIONS * 4, REQUESTS // 10), 1000)
        server.wait_for("uffizi_active_requests", 1)
        before = server.metric("process_resident_memory_bytes")
        clients = run_load(server, expected, REQUESTS, 0)
        server.wait_for("uffizi_active_requests", 1)
        after = server.metric("process_resident_memory_bytes")
        answered, refused, busy = (
            sum(getattr(client, name) for client in clients)
            for name in ("answered", "refused", "busy")
        )
        batches = server.metric("uffizi_step_questions_total") / server.metric("uffizi_steps_total")
        print(
            f"\n{answered} answered as the command line answers, {refused} bad, {busy} told to come later; "
            f"{batches:.1f} questions a step; memory {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after"
        )
        assert answered > REQUESTS / 2
        assert server.metric("uffizi_waiting_requests") == 0
        # A leak of one picture or body in a hundred requests would be more.
        assert after - before < 20e6 + REQUESTS * 500, (before, after)
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(
    "UFFIZI_SOAK_SECONDS" not in os.environ, reason="UFFIZI_SOAK_SECONDS says how long to soak"
)
def test_soak():
    """Good and bad requests for a long time: every answer is right, and in the last two thirds memory is
    flat."""
    expected = expected_answers()
    server = Server()
    seconds = float(os.environ["UFFIZI_SOAK_SECONDS"])
    start = time.monotonic()
    memory, clients, round_ = [], [], 0
    try:
        while time.monotonic() - start < seconds:
            clients += run_load(server, expected, CONNECTIONS * 10, 10_000 * round_)
            round_ += 1
            server.wait_for("uffizi_active_requests", 1)
            memory.append(
                (time.monotonic() - start, server.metric("process_resident_memory_bytes"))
            )
        answered, refused, busy = (
            sum(getattr(client, name) for client in clients)
            for name in ("answered", "refused", "busy")
        )
        late = [value for at, value in memory if at > seconds / 3]
        print(
            f"\n{answered} answered as the command line answers, {refused} bad, {busy} told to come later, in "
            f"{time.monotonic() - start:.0f} s; memory in the last two thirds {min(late) / 1e6:.1f} to "
            f"{max(late) / 1e6:.1f} MB, first {memory[0][1] / 1e6:.1f}, last {memory[-1][1] / 1e6:.1f}"
        )
        assert late[-1] - late[0] < 10e6 and max(late) - min(late) < 40e6, memory
    finally:
        assert server.stop() == 0
