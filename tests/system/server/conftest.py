"""A running `uffizi serve`, and the command line to compare its answers with."""

import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import httpx2
import openai
import pytest
from playwright.sync_api import expect, sync_playwright

COMMAND = os.environ["UFFIZI_COMMAND"]
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
SAMPLES = SOURCE / "samples"
MODEL = SOURCE / "models" / "uffizi-tiny"
# An answer of some hundred milliseconds: it may not end before the model's last position. Sixteen of
# them in one request take many seconds.
SLOW = {"num_beams": 16, "min_length": 250, "max_length": 250, "no_repeat_ngram_size": 0}

JSON = {"content-type": "application/json"}


def encoded(path):
    """The file as Base64."""
    return base64.b64encode(path.read_bytes()).decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """`uffizi serve` on a free port, ended by stop()."""

    def __init__(self, *options, port=0, env=None, model=MODEL):
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--model", model, "--port", str(port), *options],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (env or {}),
        )
        line = self.process.stderr.readline()
        found = re.search(r"(http://\S+)/", line)
        assert found, line
        self.url = found[1]
        self.client = httpx2.Client(base_url=self.url, timeout=120)

    def annotate(self, picture, tasks, **fields):
        """The answer to one form, as a response."""
        return self.client.post(
            "/v1/annotate",
            files={"image": (picture.name, picture.read_bytes())},
            data={"task": tasks}
            | {
                key: value if isinstance(value, (str, list)) else json.dumps(value)
                for key, value in fields.items()
            },
        )

    def metric(self, name):
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError("no metric " + name)

    def wait_for(self, name, value, seconds=20):
        """Waits until a metric has the value."""
        end = time.monotonic() + seconds
        while self.metric(name) != value:
            assert time.monotonic() < end, (name, self.metric(name), value)
            time.sleep(0.01)

    def stop(self):
        """Ends it as an init system does; its exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.process.stderr.close()
        return code


@pytest.fixture
def serve():
    """Starts servers with options; they are stopped at the end of the test."""
    servers = []

    def start(*options, **more):
        servers.append(Server(*options, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server():
    """One server for all tests that leave it as it was."""
    running = Server()
    yield running
    assert running.stop() == 0


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens pages, which at the end must have made no mistake and asked nobody but their server."""
    opened = []

    def open_at(server, path="/", refusals=False, **options):
        """`refusals`: the server may refuse something, which browsers write to the console."""
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(20_000)
        page.mistakes, page.requests = [], []
        page.on("pageerror", lambda error: page.mistakes.append(str(error)))

        def note(message):
            refused = refusals and message.text.startswith("Failed to load resource")
            if message.type in ("error", "warning") and not refused:
                page.mistakes.append(message.text)

        page.on("console", note)
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(server.url + path)
        opened.append((page, server.url))
        return page

    yield open_at
    for page, url in opened:
        assert page.mistakes == []
        assert [one for one in page.requests if not one.startswith((url, "blob:", "data:"))] == []
        page.context.close()


@pytest.fixture
def page(open_page, server):
    page = open_page(server, viewport={"width": 1280, "height": 900})
    expect(page.get_by_role("radio")).to_have_count(16)
    return page


def command_line(pictures, *options):
    """The records of `uffizi annotate`."""
    ran = subprocess.run(
        [
            COMMAND,
            "annotate",
            *map(str, pictures),
            "--model",
            MODEL,
            "--format",
            "jsonl",
            "--quiet",
            *options,
        ],
        capture_output=True,
        text=True,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def same(record, other):
    """Whether two records say the same, whatever time they took and whatever the file is called."""
    return strip(record) == strip(other)


def strip(record):
    return {key: value for key, value in record.items() if key not in ("timings", "image")}


@pytest.fixture
def client(server):
    """OpenAI's own client of the server."""
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
