"""Pages, addresses, masks and what else there is to pictures, through the whole command."""

import functools
import http.server
import json
import os
import pathlib
import shutil
import threading
import urllib.parse

import numpy as np
import pytest
from conftest import annotate, make_picture, read_records
from PIL import Image

FORMATS = pathlib.Path(os.environ["UFFIZI_SOURCE"]) / "tests/data/formats"
ENVIRONMENT = os.environ | {
    "VIRTUAL_ENV": str(pathlib.Path(os.environ["UFFIZI_SOURCE"]) / "build/test-env")
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; /to?URL redirects, /busy fails once."""

    busy = 0

    def do_GET(self):
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(self.path[4:]))
            self.end_headers()
        elif self.path.startswith("/busy") and Handler.busy == 0:
            Handler.busy = 1
            self.send_error(503)
        else:
            self.path = self.path.replace("/busy", "")
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    import random

    make_picture(random.Random(3), tmp_path / "www/a b.png")
    (tmp_path / "www/big.png").write_bytes(b"x" * 4_000_000)
    handler = functools.partial(Handler, directory=tmp_path / "www")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_addresses_are_fetched_where_they_are_allowed(tmp_path, server):
    out = tmp_path / "out.jsonl"
    table = tmp_path / "list.csv"
    table.write_text(f"path\n{server}/a%20b.png\n{server}/missing.png\n")
    urls = [
        f"{server}/a%20b.png?x=1",
        f"{server}/to?{server}/a%20b.png",
        f"{server}/busy/a%20b.png",
        table,
    ]
    annotate(*urls, "--task", "caption", "--output", out, "--allow-private-urls", code=1)
    records = read_records(out)
    assert [r.get("error", {}).get("code") for r in records] == [
        None,
        None,
        None,
        None,
        "not_found",
    ]
    assert len({r["text"] for r in records[:4]}) == 1
    assert records[0]["image"] == urls[0]


def test_private_addresses_are_refused(tmp_path, server):
    port = server.rsplit(":", 1)[1]
    out = tmp_path / "out.jsonl"
    hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ]
    annotate(
        *(f"http://{host}:{port}/a%20b.png" for host in hosts),
        "--task",
        "caption",
        "--output",
        out,
        code=1,
    )
    for record in read_records(out):
        assert record["error"]["code"] == "invalid_argument", record
        assert "private network" in record["error"]["message"], record


def test_pages_of_a_pdf_and_a_tiff(tmp_path):
    out = tmp_path / "out.jsonl"
    files = [FORMATS / "two_pages.pdf", FORMATS / "pages.tif"]
    annotate(*files, "--task", "caption", "--pages", "all", "--output", out, env=ENVIRONMENT)
    records = read_records(out)
    assert [(r["page"], r["pages"]) for r in records] == [(1, 2), (2, 2), (1, 3), (2, 3), (3, 3)]
    assert records[1]["image"].endswith("two_pages.pdf#page=2")
    assert records[1]["width"] == 556  # 200 points at 200 dots an inch
    annotate(files[1], "--task", "caption", "--output", tmp_path / "first.jsonl")
    (record,) = read_records(tmp_path / "first.jsonl")
    assert record["pages"] == 3 and "page" not in record


def test_other_files_of_folders_are_counted(tmp_path):
    for name in ("rgb.bmp", "rgb.qoi", "text.ppm"):
        shutil.copy(FORMATS / name, tmp_path)
    for name in ("a.txt", "b.txt", "c.mp4"):
        (tmp_path / name).write_text("x")
    done = annotate(tmp_path, "--task", "caption", "--format", "jsonl")
    assert len(done.stdout.splitlines()) == 3
    assert "3 other files in the folders skipped (2 .txt, 1 .mp4)" in done.stderr


def test_masks_are_the_regions(tmp_path):
    source = pathlib.Path(os.environ["UFFIZI_SOURCE"]) / "tests/data/models/scene_384.png"
    out = tmp_path / "out.jsonl"
    annotate(source, "--task", "od", "--output", out, "--masks", tmp_path / "m")
    (record,) = read_records(out)
    boxes = record["result"]["bboxes"]
    assert boxes
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        with Image.open(tmp_path / f"m/scene_384.od.{i + 1}.png") as image:
            assert image.mode == "L" and image.size == (record["width"], record["height"])
            mask = np.asarray(image)
        assert set(np.unique(mask)) <= {0, 255}
        assert mask.sum() / 255 == pytest.approx((x2 - x1) * (y2 - y1), rel=0.05)
        ys, xs = np.nonzero(mask)
        assert abs(xs.min() - x1) <= 1 and abs(ys.max() + 1 - y2) <= 1
    annotate(
        source,
        "--task",
        "od",
        "--output",
        tmp_path / "o2.jsonl",
        "--masks",
        tmp_path / "i",
        "--mask-layout",
        "indexed",
    )
    with Image.open(tmp_path / "i/scene_384.od.png") as image:
        assert np.unique(np.asarray(image)).max() == len(boxes)


def test_scores_and_labels_choose_regions(tmp_path):
    source = pathlib.Path(os.environ["UFFIZI_SOURCE"]) / "tests/data/models/scene_384.png"
    arguments = [source, "--format", "jsonl", "--quiet"]
    everything = json.loads(annotate(*arguments, "--task", "od").stdout)["result"]
    label, score = everything["labels"][0], sorted(everything["scores"])[-1]
    few = json.loads(annotate(*arguments, "--task", "od", "--labels", label.upper()).stdout)[
        "result"
    ]
    assert set(few["labels"]) == {label}
    best = json.loads(annotate(*arguments, "--task", "od", "--min-score", score).stdout)["result"]
    assert best["scores"] == [s for s in everything["scores"] if s >= score]
    prompt = annotate(
        *arguments, "--prompt", "Locate the objects with category name in the image.", "--as", "od"
    )
    assert json.loads(prompt.stdout)["result"] == everything
    wrong = annotate(
        *arguments, "--task", "region-to-category", "--region", "0.1,0.1,0.5,0.5", code=2
    )
    assert "pixels" in wrong.stderr


def test_label_studio_gets_addresses(tmp_path):
    out = tmp_path / "tasks.json"
    shutil.copy(FORMATS / "rgb.bmp", tmp_path / "a b&c.bmp")
    annotate(
        "a b&c.bmp",
        "--task",
        "caption",
        "--label-studio",
        out,
        "--label-studio-prefix",
        "/data/local-files/?d=",
        cwd=tmp_path,
    )
    (task,) = json.loads(out.read_text())
    assert task["data"]["image"] == "/data/local-files/?d=a%20b%26c.bmp"
