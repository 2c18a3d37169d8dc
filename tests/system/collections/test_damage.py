"""A collection of mostly broken files: one record each, and the job goes on."""

import json
import os
import random
import subprocess

from conftest import COMMAND, annotate, make_pictures, read_records
from PIL import Image

DAMAGED = 250


def damage(rnd, content, kind):
    if kind == 0:  # cut
        return content[: rnd.randrange(len(content))]
    if kind == 1:  # bits flipped, mostly in the header
        flipped = bytearray(content)
        for _ in range(rnd.randint(1, 20)):
            flipped[rnd.randrange(min(len(flipped), rnd.choice([64, len(flipped)])))] ^= (
                rnd.randint(1, 255)
            )
        return bytes(flipped)
    if kind == 2:  # a piece gone
        at = rnd.randrange(len(content))
        return content[:at] + content[at + rnd.randint(1, 200) :]
    if kind == 3:  # a piece overwritten
        at = rnd.randrange(len(content))
        return content[:at] + rnd.randbytes(100) + content[at + 100 :]
    return rnd.choice(
        [b"", rnd.randbytes(500), b"\x89PNG\r\n\x1a\n", b"<html>404</html>", content[:12]]
    )


def test_damaged_collection(tmp_path):
    folder = tmp_path / "pictures"
    make_pictures(folder, 40, seed=3)
    rnd = random.Random(4)
    good = sorted(p for p in folder.rglob("*") if p.is_file())
    for i in range(DAMAGED):
        source = rnd.choice(good)
        target = folder / "damaged" / f"{i:03}{source.suffix}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(damage(rnd, source.read_bytes(), i % 5))
    (folder / "damaged" / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (folder / "damaged" / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "damaged" / "folder.jpg").mkdir()
    done = annotate(folder, "--task", "od", "--output", tmp_path / "a.jsonl", code=1)
    records = read_records(tmp_path / "a.jsonl")
    # One record each, sorted; a folder that is called like a picture is a folder.
    expected = sorted(str(p) for p in folder.rglob("*") if p.is_symlink() or p.is_file())
    assert sorted(r["image"] for r in records) == expected
    assert len(records) == len(good) + DAMAGED + 2
    errors = {r["image"]: r["error"] for r in records if "error" in r}
    assert f"{len(errors)} of {len(records)} pictures failed" in done.stderr
    assert len(errors) > DAMAGED // 2
    assert not any("/damaged/" not in name for name in errors)
    codes = {error["code"] for error in errors.values()}
    assert codes <= {"invalid_image", "image_too_large", "unsupported", "not_found"}
    # As libheif calls it: older ones find no kind that they know in it, newer ones a damaged box.
    heic = errors[str(folder / "damaged" / "photo.heic")]
    assert heic["code"] in ("unsupported", "invalid_image") and "HEIC" in heic["message"]
    assert errors[str(folder / "damaged" / "gone.jpg")]["code"] == "not_found"
    for name, error in errors.items():
        assert name in error["message"] and "\n" not in error["message"]


def peak_megabytes(*arguments):
    """The greatest resident size of a run."""
    process = subprocess.Popen([COMMAND, "annotate", *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_maxrss / 1024


def test_memory_does_not_grow_with_the_pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = Image.new("RGB", (5000, 4000), "teal")
    for i in range(16):
        picture.save(folder / f"{i:02}.jpg")
    # 16 pictures of 60 MB each, whose pixels are kept for drawing.
    peak = peak_megabytes(
        folder,
        "--task",
        "caption",
        "--draw",
        tmp_path / "drawn",
        "--quiet",
        "--workers",
        "2",
        "--output",
        tmp_path / "a.jsonl",
    )
    assert len(read_records(tmp_path / "a.jsonl")) == 16
    assert peak < 16 * 60 * 0.75


def test_bench(tmp_path):
    make_pictures(tmp_path / "pictures", 12)
    done = subprocess.run(
        [COMMAND, "bench", tmp_path / "pictures", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["pictures"] == 12 and report["failed"] == 0
    assert report["pictures_per_second"] > 0 and 0 < report["busy"] <= 1.5
    assert report["peak_megabytes"] > 10
    for stage in ("decode", "vision_encoder", "text_encoder", "decoder", "total"):
        times = report["stages"][stage]
        assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
    table = subprocess.run(
        [COMMAND, "bench", tmp_path / "pictures"], capture_output=True, text=True
    )
    assert "pictures per second" in table.stdout and "p99" in table.stdout
