"""Pictures by http(s) address, from a local server."""

import http.server
import json
import subprocess
import sys
import threading

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import uffizi


@pytest.fixture
def server(scene, monkeypatch):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/slow":
                threading.Event().wait(5)
            moved = {"/moved": "/a%20b.png", "/round": "/round", "/out": "file:///etc/passwd"}
            if self.path in moved:
                self.send_response(302)
                self.send_header("Location", moved[self.path])
                self.end_headers()
                return
            body = scene.read_bytes() if self.path == "/a%20b.png" else b"no picture"
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = asked
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_private_addresses_are_for_those_who_allow_them(server, model, scene):
    url = f"{server.url}/a%20b.png"
    for call in (
        lambda: model(url, "<CAPTION>"),
        lambda: model.encode(url),
        lambda: uffizi.count_pages(url),
        lambda: model(f"{server.url}/moved".replace("127.0.0.1", "localhost"), "<CAPTION>"),
    ):
        with pytest.raises(uffizi.ArgumentError, match="private network"):
            call()
    assert server.asked == []
    expected = model(scene, "<CAPTION>").caption
    assert model(url, "<CAPTION>", allow_private_urls=True).caption == expected
    assert model([url], "<CAPTION>", allow_private_urls=True)[0].caption == expected
    np.testing.assert_array_equal(
        model.encode(f"{server.url}/moved", allow_private_urls=True).pixels,
        model.encode(scene).pixels,
    )
    assert uffizi.count_pages(url, allow_private_urls=True) == 1


@pytest.mark.parametrize(
    "path, error, reason",
    [
        ("missing", uffizi.NotFoundError, "404"),
        ("text", uffizi.ImageError, "text"),
        ("round", uffizi.Error, "redirects"),
        ("out", uffizi.Error, "passwd"),
    ],
)
def test_what_goes_wrong_names_the_address(server, model, path, error, reason):
    with pytest.raises(error, match=reason):
        model.encode(f"{server.url}/{path}", allow_private_urls=True)


def test_tables(server, model, scene, tmp_path):
    urls = [f"{server.url}/a%20b.png", f"{server.url}/missing"]
    table = uffizi.annotate(urls, "<CAPTION>", model=model, progress=False, allow_private_urls=True)
    assert list(table["image"]) == urls
    assert table["text"][0] == model(scene, "<CAPTION>").caption and "404" in table["error"][1]
    refused = uffizi.annotate(urls[0], "<CAPTION>", model=model, progress=False)
    assert "private network" in refused["error"][0]

    pyarrow.parquet.write_table(pyarrow.table({"url": urls}), tmp_path / "in.parquet")
    out = uffizi.annotate_parquet(
        tmp_path / "in.parquet",
        tmp_path / "out.jsonl",
        "<CAPTION>",
        model=model,
        progress=False,
        allow_private_urls=True,
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0]["results"][0]["text"] == table["text"][0] and rows[0]["image"] == urls[0]
    assert "404" in rows[1]["error"]


def test_ctrl_c_ends_a_download(server):
    code = (
        "import os, signal, threading, uffizi\n"
        "threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        f"    uffizi.count_pages('{server.url}/slow', allow_private_urls=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n", done.stderr
