"""The examples of deploy/ for proxies with TLS, with real ones in front of the server."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import httpx2
import pytest

from conftest import COMMAND, JSON, MODEL, SAMPLES, SLOW, SOURCE, command_line, free_port, same

SHOP = SAMPLES / "shop.jpg"
NGINX = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/uffizi.conf;
}}
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", folder / "key", "-out", folder / "pem", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def start():
    """start(command, is_up): a process that ends with the test."""
    running = []

    def run(command, is_up):
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        end = time.monotonic() + 20
        while not is_up():
            assert running[-1].poll() is None, running[-1].stderr.read()
            assert time.monotonic() < end
            time.sleep(0.05)

    yield run
    for process in reversed(running):
        process.terminate()
        process.wait(20)


def listens(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def nginx(serve, start, certificate, folder):
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if not program:
        pytest.skip("nginx is not here")
    port = free_port()
    server = [COMMAND, "serve", "--model", MODEL, "--unix-socket", folder / "socket"]
    start(server, (folder / "socket").exists)
    example = (SOURCE / "deploy" / "nginx.conf").read_text()
    for there, here in (
        ("unix:/run/uffizi/socket", f"unix:{folder}/socket"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/pictures.pem", f"{certificate}/pem"),
        ("/etc/ssl/pictures.key", f"{certificate}/key"),
    ):
        assert there in example
        example = example.replace(there, here)
    (folder / "uffizi.conf").write_text(example)
    user = "" if os.geteuid() else "user root;"  # whose folder it is
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    command = [program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"]
    start(command, lambda: listens(port))
    return port


def caddy(serve, start, certificate, folder):
    program = shutil.which("caddy")
    if not program:
        pytest.skip("caddy is not here")
    port = free_port()
    server = serve("--max-per-address", "0")
    example = (SOURCE / "deploy" / "Caddyfile").read_text()
    options = "{\n\tauto_https off\n\tadmin off\n}\n"
    name = "pictures.example.com {"
    assert name in example and "uffizi:8080" in example
    here = f"https://localhost:{port} {{\n\ttls {certificate}/pem {certificate}/key"
    example = example.replace(name, here).replace("uffizi:8080", server.url.split("//")[1])
    (folder / "Caddyfile").write_text(options + example)
    start([program, "run", "--config", folder / "Caddyfile"], lambda: listens(port))
    return port


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_behind_a_proxy(serve, start, certificate, tmp_path, proxy):
    port = proxy(serve, start, certificate, tmp_path)
    trust = ssl.create_default_context(cafile=certificate / "pem")
    client = httpx2.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=60)
    assert client.get("/healthz").json() == {"status": "ok"}

    def ask(**data):
        return {"files": {"image": (SHOP.name, SHOP.read_bytes())}, "data": data}

    answer = client.post("/v1/annotate", **ask(task="od")).json()["results"][0]
    assert same(answer, command_line([SHOP], "--task", "od")[0])
    # Events come as they are sent, not when the answer is whole.
    first = None
    begin = time.monotonic()
    streamed = ask(task="caption", stream="true", options=json.dumps(SLOW))
    with client.stream("POST", "/v1/annotate", **streamed) as response:
        for line in response.iter_lines():
            if line == "event: text" and first is None:
                first = time.monotonic() - begin
    assert first < (time.monotonic() - begin) / 2
    answer = client.post("/v1/annotate", content=b"x" * 34_000_000, headers=JSON)
    assert answer.status_code == 413
