"""Pages of other origins: in headless Chromium, which keeps the rules."""

import http.server
import threading

import pytest

from conftest import SAMPLES

SHOP = SAMPLES / "shop.jpg"
ASK = """async ([url, key, bytes]) => {
  const form = new FormData();
  form.append("image", new Blob([new Uint8Array(bytes)]), "shop.jpg");
  form.append("task", "caption");
  try {
    const headers = key ? {Authorization: "Bearer " + key} : {};
    const response = await fetch(url + "/v1/annotate", {method: "POST", headers, body: form});
    return [response.status, await response.text(), response.headers.get("Retry-After")];
  } catch (error) {
    return ["refused", String(error)];
  }
}"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>A page of somebody else's")

    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def origin():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser, origin):
    page = browser.new_page()
    page.goto(origin)
    yield page
    page.close()


def ask(page, server, key=None):
    return page.evaluate(ASK, [server.url, key, list(SHOP.read_bytes())])


@pytest.mark.parametrize("allowed", ["this", "all"])
def test_an_allowed_page_asks_with_a_key(serve, page, origin, allowed):
    """The key needs a preflight, which has none itself."""
    server = serve("--cors", origin if allowed == "this" else "*", env={"UFFIZI_API_KEY": "secret"})
    assert ask(page, server, "secret")[0] == 200
    status, text = ask(page, server, "wrong")[:2]  # mistakes can be read, too
    assert status == 401 and "unauthorized" in text


@pytest.mark.parametrize("options", [[], ["--cors", "https://other.example"]])
def test_other_pages_may_not(serve, page, options):
    server = serve(*options)
    assert ask(page, server)[0] == "refused"
    assert ask(page, server, "secret")[0] == "refused"


def test_headers(serve):
    server = serve("--cors", "https://one.example", "--cors", "https://two.example")
    for origin in ("https://one.example", "https://two.example"):
        headers = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,x-stainless-os",
        }
        response = server.client.options("/v1/chat/completions", headers=headers)
        assert response.status_code == 204 and response.content == b""
        assert response.headers["access-control-allow-origin"] == origin
        assert response.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
        assert "POST" in response.headers["access-control-allow-methods"]
        assert response.headers["vary"] == "Origin"
        response = server.client.get("/v1/models", headers={"origin": origin})
        assert response.headers["access-control-allow-origin"] == origin
    response = server.client.get("/v1/models", headers={"origin": "https://three.example"})
    assert "access-control-allow-origin" not in response.headers
    assert server.client.options("/v1/models").status_code == 405


def test_none_by_default(server):
    headers = {"origin": "https://one.example", "access-control-request-method": "POST"}
    response = server.client.options("/v1/annotate", headers=headers)
    assert response.status_code == 405
    response = server.client.get("/v1/models", headers=headers)
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_origins_are_checked(serve):
    with pytest.raises(AssertionError, match="an origin is"):
        serve("--cors", "photos.example")
