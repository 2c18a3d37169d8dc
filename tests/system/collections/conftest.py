"""Pictures to ask about, and the command line run over them."""

import json
import os
import pathlib
import random
import subprocess

import pytest
from PIL import Image, ImageDraw

COMMAND = os.environ["UFFIZI_COMMAND"]


def make_picture(rnd, path):
    """A few plain shapes; the kind of file follows from the name."""
    width, height = rnd.randint(40, 200), rnd.randint(40, 200)
    image = Image.new("RGB", (width, height), tuple(rnd.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(rnd.randint(1, 4)):
        x, y = rnd.randrange(width), rnd.randrange(height)
        box = [x, y, x + rnd.randint(10, width), y + rnd.randint(10, height)]
        shape = rnd.choice([draw.ellipse, draw.rectangle])
        shape(box, fill=tuple(rnd.randrange(256) for _ in range(3)))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_pictures(folder, count, seed=1):
    rnd = random.Random(seed)
    for i in range(count):
        extension = rnd.choice(["jpg", "png", "webp", "gif"])
        make_picture(rnd, pathlib.Path(folder) / f"part{i % 3}" / f"{i:04}.{extension}")


def annotate(*arguments, code=0, **options):
    done = subprocess.run(
        [COMMAND, "annotate", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def read_records(path):
    """JSON lines without what differs from run to run."""
    records = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    for record in records:
        record.pop("timings", None)
    return records


def read_tree(folder):
    """Every file below a folder with its content, and links with where they lead."""
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    make_pictures(folder, 60)
    (folder / "part1" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    return folder
