"""A local stand-in for Hugging Face and for Spark NLP's bucket, which can be told to misbehave."""

import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "someone/Florence-2-tiny"


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Source:
    """Serves `files` as the repository someone/Florence-2-tiny, and `artifact` as Spark NLP's zip.

    What it does wrong, for each file name: break_off[name] is a list of how many bytes to send before
    the connection closes, one for each answer; and so on.
    """

    def __init__(self, files, artifact=b""):
        self.files = dict(files)
        self.artifact = artifact
        self.requests = []  # (path, Range, Authorization)
        self.break_off = {}
        self.busy = {}  # name: how many times to answer 503
        self.stated_size = {}
        self.stated_sha256 = {}
        self.stated_length = {}  # Content-Length
        self.extra = {}  # bytes after the file's own
        self.no_ranges = False
        self.wrong_ranges = False
        self.redirect_to = None  # another Source, as Hugging Face sends to its storage
        self.bytes_a_second = None
        self.silent = set()  # names of files that never come
        self.token = None
        self.artifact_md5 = None
        self.known = True  # the artifact, in metadata.json
        self.no_checksums = False  # in listings
        self.etags = {}  # name: tags of its answers, one after the other; the last stays
        self.heeds_if_range = True
        self.endless = set()  # names of files that never end
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                try:
                    outer.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def fetched(self, name):
        return [range_ for path, range_, _ in self.requests if path.endswith("/" + name)]

    def listing(self):
        siblings = []
        for name, content in self.files.items():
            entry = {
                "rfilename": name,
                "size": self.stated_size.get(name, len(content)),
                "blobId": git_hash(content),
            }
            if self.no_checksums:
                del entry["blobId"], entry["size"]
            elif name.endswith((".safetensors", ".bin")):
                entry["lfs"] = {
                    "sha256": self.stated_sha256.get(name, hashlib.sha256(content).hexdigest()),
                    "size": entry["size"],
                }
            siblings.append(entry)
        return {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}

    def metadata(self):
        """Spark NLP's list: lines of JSON, old and new versions of many models."""

        def line(name, time_, checksum):
            return json.dumps(
                {
                    "name": name,
                    "language": "en",
                    "libVersion": {"parts": [5, 5, 1]},
                    "sparkVersion": {"parts": [3, 0]},
                    "readyToUse": True,
                    "time": time_,
                    "isZipped": True,
                    "checksum": checksum,
                }
            )

        lines = [line("bert_base", 1, "")]
        if self.known:
            md5 = self.artifact_md5 or hashlib.md5(self.artifact).hexdigest()
            lines += [
                line("florence_2_base_ft_int4", 2000, md5),
                line("florence_2_base_ft_int4", 1000, "0" * 32),
            ]
        return "\n".join(lines).encode()

    def answer(self, request):
        path = urllib.parse.urlparse(request.path).path
        self.requests.append((path, request.headers["Range"], request.headers["Authorization"]))
        name = path.rsplit("/", 1)[1]
        if self.token and request.headers["Authorization"] != f"Bearer {self.token}":
            return self.send(request, 401, b"no")
        if self.busy.get(name, 0) > 0:
            self.busy[name] -= 1
            return self.send(request, 503, b"busy")
        if path == f"/api/models/{REPOSITORY}/revision/main":
            return self.send(request, 200, json.dumps(self.listing()).encode())
        if path == "/spark/metadata.json":
            return self.send(request, 200, self.metadata())
        if path in (
            "/spark/florence_2_base_ft_int4_en_5.5.1_3.0_2000.zip",
            "/spark/florence_2_large_int4_en_5.5.1_3.0_1748317523815.zip",
        ):
            return self.send_file(request, name, self.artifact)
        found = re.fullmatch(f"/{REPOSITORY}/resolve/{COMMIT}/([^/]+)", path)
        if found and found[1] in self.files:
            if self.redirect_to:
                request.send_response(302)
                request.send_header("Location", self.redirect_to.url + path)
                request.send_header("Content-Length", "0")
                request.end_headers()
                return None
            return self.send_file(request, name, self.files[name])
        return self.send(request, 404, b"not here")

    def send(self, request, status, content):
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def send_file(self, request, name, content):
        etag = f'"{git_hash(content)}"'
        if tags := self.etags.get(name):
            etag = tags.pop(0) if len(tags) > 1 else tags[0]
        begin = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers["Range"] or "")
        fresh = request.headers["If-Range"] in (None, etag) or not self.heeds_if_range
        if wanted and fresh and not self.no_ranges:
            begin = int(wanted[1])
            if begin >= len(content):
                return self.send(request, 416, b"")
            request.send_response(206)
            shown = begin + (7 if self.wrong_ranges else 0)
            request.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("ETag", etag)
        body = content[begin:] + self.extra.get(name, b"")
        if name not in self.endless:
            request.send_header("Content-Length", str(self.stated_length.get(name, len(body))))
        request.end_headers()
        while name in self.endless:  # a few bytes now and then
            request.wfile.write(b"{}\n")
            time.sleep(0.05)
        if name in self.silent:
            time.sleep(20)
            return None
        cuts = self.break_off.get(name)
        cut = cuts.pop(0) if cuts else None
        if cut is not None:
            body = body[:cut]
        if self.bytes_a_second:
            step = max(1, self.bytes_a_second // 50)
            for at in range(0, len(body), step):
                request.wfile.write(body[at : at + step])
                time.sleep(0.02)
        else:
            request.wfile.write(body)
        if cut is not None or name in self.stated_length:
            request.close_connection = True
        return None
