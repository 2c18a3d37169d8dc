"""A PDF of ten pages and a scan of 12,000 x 9,000 pixels, through the command line, the server and the
Python package: memory stays within a bound that follows from the pixels of one picture. Prints a table
for docs/pictures.md."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import httpx2
import pytest
from PIL import Image, ImageDraw, ImageFont

COMMAND = os.environ["UFFIZI_COMMAND"]
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"
MB = 1 << 20
PAGES = 10
SCAN = (12_000, 9_000)
PAGE = (2480, 3508)  # A4 at 300 dots an inch
RENDERED = 1654 * 2339  # the same at the 200 that pages are rendered with
# Beside what a small picture needs: 3 bytes a pixel, 1 more while it is decoded, and what the tiles
# take: their encodings, and keys and values of the questions about them.
BYTES_PER_PIXEL = 4
TILES = 200 * MB


def page(size, number):
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=60)
    for line in range(10, size[1] - 100, 160):
        draw.text((100, line), f"page {number} line {line} " * (size[0] // 700), "black", font)
    return picture


def make_pictures(folder):
    pages = [page(PAGE, i + 1) for i in range(PAGES)]
    pages[0].save(folder / "pages.pdf", save_all=True, append_images=pages[1:], resolution=300)
    page(SCAN, 0).save(folder / "scan.jpg", quality=85)
    page((640, 480), 0).save(folder / "small.jpg")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Made by another process: a child's peak begins with the memory of the one that starts it."""
    folder = tmp_path_factory.mktemp("pictures")
    subprocess.run([sys.executable, __file__, folder], check=True)
    return folder


def run(command, **options):
    """Standard output and the peak of resident memory, bytes."""
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, text=True, **options
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return output, usage.ru_maxrss * 1024


class CommandLine:
    def ask(self, picture, pages):
        more = ["--pages", "all"] if pages > 1 else []
        output, peak = run(
            [COMMAND, "annotate", picture, "--model", MODEL, "--task", "ocr", "--task", "od"]
            + ["--tiles", "auto", "--format", "jsonl", "--quiet", "--workers", "1", *more]
        )
        return len({json.loads(line)["image"] for line in output.splitlines()}), peak


class Server:
    def ask(self, picture, pages):
        command = [COMMAND, "serve", "--model", MODEL, "--port", "0", "--max-pixels", "200000000"]
        process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
        try:
            url = re.search(r"(http://\S+)/", process.stderr.readline())[1]
            for number in range(pages):
                form = {"task": ["ocr", "od"]}
                form["options"] = json.dumps({"tiles": "auto", "page": number + 1})
                file = (picture.name, picture.read_bytes())
                answer = httpx2.post(
                    url + "/v1/annotate", files={"image": file}, data=form, timeout=300
                )
                assert answer.status_code == 200, answer.text
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            return pages, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
        finally:
            process.terminate()
            process.communicate(timeout=60)


SCRIPT = """
import sys, uffizi
model = uffizi.Florence2.from_pretrained(sys.argv[1])
count = uffizi.count_pages(sys.argv[2])
for page in range(1, count + 1):
    model.encode(sys.argv[2], tiles="auto", page=page)(["<OCR>", "<OD>"])
print(count)
"""


class Python:
    def __init__(self, folder):
        self.folder = folder
        (wheel,) = (SOURCE / "build" / "wheel").glob("uffizi-*.whl")
        # With what it needs: the environment of the tests may have other versions.
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
        subprocess.run([*install, folder, wheel], check=True)

    def ask(self, picture, pages):
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        output, peak = run([sys.executable, "-c", SCRIPT, MODEL, picture], env=environment)
        return int(output), peak


@pytest.fixture(params=["command line", "server", "Python"])
def door(request, tmp_path_factory):
    if request.param != "Python":
        return request.param, {"command line": CommandLine, "server": Server}[request.param]()
    return request.param, Python(tmp_path_factory.mktemp("package"))


def test_memory_is_bounded(door, pictures, capsys):
    name, ask = door[0], door[1].ask
    _, base = ask(pictures / "small.jpg", 1)
    for file, pages, pixels in (
        ("pages.pdf", PAGES, RENDERED),
        ("scan.jpg", 1, SCAN[0] * SCAN[1]),
    ):
        begin = time.monotonic()
        count, peak = ask(pictures / file, pages)
        seconds = time.monotonic() - begin
        with capsys.disabled():
            print(
                f"\n| {name} | {file} | {peak / MB:.0f} MB | {base / MB:.0f} MB | {seconds:.0f} s |"
            )
        assert count == pages
        assert peak < base + BYTES_PER_PIXEL * pixels + TILES, (name, file, peak / MB, base / MB)


if __name__ == "__main__":
    make_pictures(pathlib.Path(sys.argv[1]))
