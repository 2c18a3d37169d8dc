"""Requests that are not HTTP, or that can be read in two ways, are refused: the known ways to smuggle a
request past a proxy, and the rules of RFC 9112 that let a server refuse."""

import pytest

from raw_http import ask, connect, ended, read_response

GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
POST = b"POST /v1/annotate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    # Two ways to tell the body's length.
    "length and chunked": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked and length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}", 400),
    "the same length twice": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "a list of lengths": (POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400),
    "a length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}", 400),
    "a length in hexadecimal": (POST + b"Content-Length: 0x2\r\n\r\n{}", 400),
    "an empty length": (POST + b"Content-Length: \r\n\r\n{}", 400),
    "a length over 64 bits": (
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        (400, 413),
    ),
    "a length with an underscore": (POST + b"Content-Length: 1_0\r\n\r\n{}", 400),
    # Transfer codings that not everybody reads alike.
    "another coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "chunked twice": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked in a list": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked and more": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    "a tab before the colon": (POST + b"Content-Length\t: 2\r\n\r\n{}", 400),
    "a vertical tab in the coding": (
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a quoted coding": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', (400, 501)),
    "chunked with a parameter": (
        POST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
        (400, 501),
    ),
    "chunked in HTTP/1.0": (
        b"POST /v1/annotate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    # Chunks.
    "no hexadecimal": (CHUNKED + b"zz\r\n", 400),
    "a negative chunk": (CHUNKED + b"-1\r\n", 400),
    "a chunk in 0x": (CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    "a chunk over 64 bits": (CHUNKED + b"fffffffffffffffff\r\n", (400, 413)),
    "a chunk longer than told": (CHUNKED + b"2\r\n{}}\r\n0\r\n\r\n", 400),
    "a chunk ended by LF": (CHUNKED + b"2\n{}\n0\n\n", 400),
    "a space in a chunk's length": (CHUNKED + b"2 2\r\n{}\r\n0\r\n\r\n", 400),
    "an endless chunk line": (CHUNKED + b"2;" + b"a" * 100_000, 400),
    # Lines.
    "LF alone": (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
    "LF alone after a header": (GET + b"Host: x\n\r\n", 400),
    "CR alone": (GET + b"Host: x\rX: y\r\n\r\n", 400),
    "a folded header": (GET + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "a first header that is folded": (GET + b" Host: x\r\n\r\n", 400),
    "NUL in a header": (GET + HOST + b"X: a\0b\r\n\r\n", 400),
    "NUL in the path": (b"GET /healthz\0/x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an encoded NUL": (b"GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a bad escape": (b"GET /healthz%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "half an escape": (b"GET /healthz%2 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a header without a colon": (GET + HOST + b"nonsense\r\n\r\n", 400),
    "a header without a name": (GET + HOST + b": x\r\n\r\n", 400),
    "a header's name with a bracket": (GET + HOST + b"X(y): x\r\n\r\n", 400),
    # The request line.
    "two spaces": (b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a tab": (b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a space before the method": (b" GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "no path": (b"GET HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a path that is none": (b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a fragment": (b"GET /healthz#x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a path with a byte over 127": (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n", 505),
    "HTTP/2.0": (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", 505),
    "http in small letters": (b"GET /healthz http/1.1\r\nHost: x\r\n\r\n", (400, 505)),
    "HTTP/1.1 in a longer number": (b"GET /healthz HTTP/1.10\r\nHost: x\r\n\r\n", (400, 505)),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    # Host.
    "no Host": (GET + b"\r\n", 400),
    "two Hosts": (GET + HOST + HOST + b"\r\n", 400),
    "a Host with a path": (GET + b"Host: x/y\r\n\r\n", 400),
    "a Host with a user": (GET + b"Host: a@x\r\n\r\n", 400),
    "a Host with a space": (GET + b"Host: x y\r\n\r\n", 400),
    # The rest.
    "an unknown expectation": (POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417),
    "two keys": (GET + HOST + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
    "two types": (POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400),
    "long headers": (GET + HOST + b"X: " + b"a" * 20_000 + b"\r\n\r\n", 431),
    "many headers": (GET + HOST + b"X: a\r\n" * 200 + b"\r\n", 431),
    "a path without an end": (b"GET /" + b"a" * 100_000, 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    data, status = REFUSED[name]
    with connect(server) as connection:
        connection.sendall(data)
        answer = read_response(connection)
        assert answer is not None, "no answer"
        assert answer[0] in (status if isinstance(status, tuple) else (status,)), answer
        assert answer[1]["connection"] == "close"
        # Whatever follows is not taken for a request.
        connection.shutdown(1)
        assert ended(connection)


TAKEN = {
    "usual": GET + HOST + b"\r\n",
    "HTTP/1.0 without a Host": b"GET /healthz HTTP/1.0\r\n\r\n",
    "an empty line first": b"\r\n" + GET + HOST + b"\r\n",
    "an absolute target": b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a query": b"GET /healthz?a=b#".replace(b"#", b"") + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "an escaped path": b"GET /health%7a HTTP/1.1\r\nHost: x\r\n\r\n",
    "a Host with a port": GET + b"Host: x:80\r\n\r\n",
    "an IPv6 Host": GET + b"Host: [::1]:80\r\n\r\n",
    "spaces around a value": GET + b"Host:   x  \r\n\r\n",
    "a body that nobody needs": GET + HOST + b"Content-Length: 3\r\n\r\nabc",
    "chunks with an extension": GET
    + HOST
    + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(server, name):
    answer = ask(server, TAKEN[name])
    assert answer is not None and answer[0] == 200, answer
    assert answer[2] == b'{"status": "ok"}'


def test_a_smuggled_request_is_not_answered(server):
    """The second request lies in the body of the first, as one of the two lengths has it."""
    smuggled = GET + HOST + b"\r\n"
    for lengths in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(smuggled)),
        b"Content-Length: 5\r\nContent-Length: %d\r\n" % (5 + len(smuggled)),
    ):
        with connect(server) as connection:
            connection.sendall(POST + lengths + b"\r\n0\r\n\r\n" + smuggled)
            connection.shutdown(1)
            assert read_response(connection)[0] == 400
            assert ended(connection)


def test_one_connection_many_requests(server):
    with connect(server) as connection:
        connection.sendall((GET + HOST + b"\r\n") * 3)  # sent ahead, answered in turn
        data = b""
        while data.count(b'{"status": "ok"}') < 3:
            data += connection.recv(65536)
        connection.sendall(GET + HOST + b"Connection: close\r\n\r\n")
        assert read_response(connection)[0] == 200
        assert ended(connection)


def test_expect_continue(server):
    with connect(server) as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_response(connection)[0] == 400  # image is missing
    with connect(server) as connection:  # an answer at once, without the upload
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        assert read_response(connection)[0] == 413


def test_openai_clients_get_their_errors(server):
    for path in ("/v1/embeddings", "/v1/files", "/v1/models/none", "/v1"):
        response = server.client.get(path)
        assert response.status_code == 404
        if path != "/v1":
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert server.client.get("/v1/annotate").json()["code"] == "method_not_allowed"
