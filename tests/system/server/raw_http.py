"""HTTP by hand: what no well-behaved client would send."""

import socket
import time

import httpx2


def connect(server, timeout=30):
    url = httpx2.URL(server.url)
    connection = socket.create_connection((url.host, url.port), timeout=timeout)
    return connection


def read_response(connection):
    """(status, headers, body) of the next answer; None if the connection ends without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            piece = b""
        if not piece:
            assert not data, data
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    length = int(headers.get("content-length", 0))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return int(lines[0].split()[1]), headers, body


def ended(connection, seconds=5):
    """Whether the server closes the connection within some seconds."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def ask(server, data, timeout=30):
    """The answer to some bytes."""
    with connect(server, timeout) as connection:
        connection.sendall(data)
        return read_response(connection)


def seconds_since(start):
    return time.monotonic() - start
