"""A job that is killed, stopped, or out of disk goes on with the same command."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import pytest
from conftest import COMMAND, annotate, make_pictures, read_records, read_tree

TASKS = ["--task", "od", "--task", "caption", "--then", "caption_to_phrase_grounding"]


def outputs(folder):
    """One of every sink."""
    return [
        "--output",
        folder / "a.jsonl",
        "--csv",
        folder / "a.csv",
        "--coco",
        folder / "coco.json",
        "--yolo",
        folder / "yolo",
        "--label-studio",
        folder / "studio.json",
        "--sidecar-folder",
        folder / "text",
        "--draw",
        folder / "drawn",
    ]


def result_of(folder):
    """What the job left, without timings."""
    tree = read_tree(folder)
    del tree["a.jsonl"]
    return read_records(folder / "a.jsonl"), tree


def kill_at_random(command, seed, kills, longest):
    """Runs the command over and over, killed each time, and at last to its end. Returns how often
    it was in fact killed."""
    rnd = random.Random(seed)
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.wait(timeout=rnd.uniform(0.02, longest))
            assert process.returncode == 1, process.stderr.read()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1, done.stderr
    return killed


def test_killed_fifty_times(tmp_path):
    collection = tmp_path / "pictures"
    make_pictures(collection, 150)
    (collection / "part1" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    started = time.monotonic()
    annotate(collection, *TASKS, *outputs(tmp_path / "whole"), code=1)
    whole = time.monotonic() - started
    command = [
        COMMAND,
        "annotate",
        str(collection),
        *TASKS,
        *map(str, outputs(tmp_path / "killed")),
    ]
    # A run that is left alone long enough ends the job, and the next begins anew.
    command += ["--existing", "overwrite"]
    killed, rounds = 0, 0
    while killed < 50:
        killed += kill_at_random(command, rounds, 50 - killed, whole / 6)
        rounds += 1
        assert rounds < 20
    records, tree = result_of(tmp_path / "killed")
    expected_records, expected_tree = result_of(tmp_path / "whole")
    assert [r["image"] for r in records] == [r["image"] for r in expected_records]
    assert records == expected_records
    assert tree.keys() == expected_tree.keys()
    assert tree == expected_tree
    assert not list(tmp_path.glob("killed/*.job")) and not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_control_c_says_how_to_go_on(tmp_path, interrupt):
    pictures = tmp_path / "pictures"
    make_pictures(pictures, 200)  # far more than are worked on at a time
    (pictures / "part1" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    annotate(pictures, *TASKS, *outputs(tmp_path / "whole"), code=1)
    command = [pictures, *TASKS, *outputs(tmp_path / "stopped")]
    process = subprocess.Popen(
        [COMMAND, "annotate", *map(str, command)], stderr=subprocess.PIPE, text=True
    )
    output = tmp_path / "stopped" / "a.jsonl"
    while process.poll() is None and not (output.exists() and output.stat().st_size > 0):
        time.sleep(0.01)
    process.send_signal(interrupt)
    message = process.communicate(timeout=120)[1]
    assert process.returncode == 130, message
    assert "run the same command again to resume" in message
    partial = read_records(output)  # whole lines only
    assert 0 < len(partial) < len(read_records(tmp_path / "whole" / "a.jsonl"))
    assert "resuming after" in annotate(*command, code=1).stderr
    assert result_of(tmp_path / "stopped") == result_of(tmp_path / "whole")


def test_other_options_are_refused(pictures, tmp_path):
    out = tmp_path / "a.jsonl"
    journal = tmp_path / "a.jsonl.job" / "journal.json"
    process = subprocess.Popen([COMMAND, "annotate", pictures, "--task", "od", "--output", out])
    while not (journal.exists() and json.loads(journal.read_text())["done"] > 0):
        time.sleep(0.01)
    process.kill()
    process.wait()
    for other, named in [
        (["--task", "caption"], "tasks: then od, now caption"),
        (["--task", "od", "--beams", "2"], "search: then none, now beams 2"),
        (["--task", "od", "--csv", tmp_path / "a.csv"], "outputs"),
        (["--task", "od", "--no-exif"], "exif"),
        (["--task", "od", "--drop-invalid"], "dropped"),
    ]:
        refused = annotate(pictures, *other, "--output", out, code=2).stderr
        assert "unfinished job with other options" in refused and named in refused
        assert "--restart" in refused
    # How the work is spread does not change the answers.
    annotate(pictures, "--task", "od", "--output", out, "--workers", "1", "--quiet", code=1)
    first = read_records(out)
    annotate(pictures, "--task", "od", "--output", out, "--existing", "overwrite", code=1)
    assert read_records(out) == first


def limit_file_size(size):
    def apply():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write() fails instead

    return apply


@pytest.mark.parametrize("size", [3000, 12000])
def test_a_full_disk_loses_nothing(pictures, tmp_path, size):
    whole = outputs(tmp_path / "whole")
    annotate(pictures, *TASKS, *whole, code=1)
    command = [pictures, *TASKS, *outputs(tmp_path / "full")]
    done = annotate(*command, code=4, preexec_fn=limit_file_size(size))
    assert "cannot be written: File too large" in done.stderr
    assert "run the same command again to resume" in done.stderr
    annotate(*command, code=1)
    assert result_of(tmp_path / "full") == result_of(tmp_path / "whole")


def test_a_full_file_system(pictures, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    try:
        command = [pictures, *TASKS, "--output", small / "a.jsonl"]
        message = annotate(*command, code=4).stderr
        assert "No space left on device" in message
        subprocess.run(["mount", "-o", "remount,size=10m", small], check=True)
        annotate(*command, code=1)
        shutil.copy(small / "a.jsonl", tmp_path / "a.jsonl")
    finally:
        subprocess.run(["umount", small], check=True)
    annotate(pictures, *TASKS, "--output", tmp_path / "whole.jsonl", code=1)
    assert read_records(tmp_path / "a.jsonl") == read_records(tmp_path / "whole.jsonl")


def test_dev_full(pictures):
    assert "/dev/full" in annotate(pictures, "--task", "od", "--output", "/dev/full", code=4).stderr
    assert not os.path.exists("/dev/full.job")
