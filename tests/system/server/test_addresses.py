"""Pictures by address: fetched only where the server's owner allows it, and no further."""

import functools
import http.server
import threading
import time

import openai
import pytest

from conftest import SAMPLES, command_line, same

SHOP = SAMPLES / "shop.jpg"


class Site(http.server.BaseHTTPRequestHandler):
    """A picture, and what else a site may do."""

    def do_GET(self):
        self.server.asked.append(self.path)
        port = self.server.server_port
        if self.path.startswith("/photos/shop.jpg"):
            body = SHOP.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif self.path == "/here":
            self.send_response(302)
            self.send_header("Location", "/photos/shop.jpg")
            self.end_headers()
        elif self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{port}/photos/shop.jpg")
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif self.path == "/slow":
            self.server.quiet.wait(30)
        else:
            self.send_error(404)

    def log_message(self, *words):
        pass


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked, server.quiet = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.quiet.set()
    server.shutdown()
    server.server_close()


def ask(server, url, **more):
    return server.client.post("/v1/annotate", json={"url": url, "tasks": ["od"]} | more)


def test_allowed_addresses(serve, site):
    server = serve("--allow-url-hosts", "pictures.example,127.0.0.1", "--allow-private-urls")
    expected = command_line([SHOP], "--task", "od")[0]
    for path in ("/photos/shop.jpg?size=2", "/here"):
        response = ask(server, site.url + path)
        assert response.status_code == 200, response.text
        assert same(response.json()["results"][0], expected)
    assert (
        ask(server, site.url + "/photos/shop.jpg?a=/b").json()["results"][0]["image"] == "shop.jpg"
    )
    form = server.client.post(
        "/v1/annotate", files={"task": (None, "od"), "url": (None, site.url + "/here")}
    )
    assert same(form.json()["results"][0], expected)
    image = server.client.post("/v1/annotate", json={"image": site.url + "/here", "tasks": ["od"]})
    assert same(image.json()["results"][0], expected)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    parts = [
        {"type": "text", "text": "<OD>"},
        {"type": "image_url", "image_url": {"url": site.url + "/here"}},
    ]
    answer = client.chat.completions.create(
        model="uffizi-tiny", messages=[{"role": "user", "content": parts}]
    )
    assert same(answer.uffizi, expected)


@pytest.mark.parametrize(
    "options,path,status,words",
    [
        (["--allow-url-hosts", "127.0.0.1", "--allow-private-urls"], "/none.jpg", 422, "404"),
        (
            ["--allow-url-hosts", "127.0.0.1", "--allow-private-urls"],
            "/elsewhere",
            422,
            "localhost are not allowed",
        ),
        (
            ["--allow-url-hosts", "127.0.0.1", "--allow-private-urls", "--max-body", "1"],
            "/endless",
            413,
            "over the limit",
        ),
        (
            ["--allow-url-hosts", "*", "--allow-private-urls", "--url-seconds", "0.3"],
            "/slow",
            422,
            "",
        ),
        (["--allow-url-hosts", "*"], "/here", 422, "private network"),
        (
            ["--allow-url-hosts", "pictures.example", "--allow-private-urls"],
            "/here",
            422,
            "allowed",
        ),
        ([], "/here", 422, "not fetched"),
    ],
)
def test_what_is_not_allowed(serve, site, options, path, status, words):
    server = serve(*options)
    start = time.monotonic()
    response = ask(server, site.url + path)
    assert response.status_code == status and words in response.json()["detail"], response.text
    assert time.monotonic() - start < 20
    # Nobody was asked who may not be.
    assert "/photos/shop.jpg" not in site.asked
    if "private" in words or "not fetched" in words or words == "allowed":
        assert site.asked == []


def test_memory_of_what_is_fetched_is_counted(serve, site):
    """What an address may bring is taken from --max-memory before it comes."""
    server = serve(
        *("--allow-url-hosts", "127.0.0.1", "--allow-private-urls", "--url-seconds", "30"),
        *("--max-body", "4", "--max-memory", "16"),
    )
    slow = [
        threading.Thread(target=functools.partial(ask, server, site.url + "/slow"))
        for _ in range(4)
    ]
    for thread in slow:
        thread.start()
    end = time.monotonic() + 20
    while site.asked.count("/slow") < 3 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)
    # Four hold four megabytes each, or three do and the fourth was refused.
    response = ask(server, site.url + "/here")
    assert response.status_code == 503 and response.json()["code"] == "overloaded"
    site.quiet.set()
    for thread in slow:
        thread.join()
    server.wait_for("uffizi_held_bytes", 0)
    assert ask(server, site.url + "/here").status_code == 200


def test_options_that_make_no_sense(serve):
    with pytest.raises(AssertionError, match="allow-url-hosts"):
        serve("--allow-private-urls")
