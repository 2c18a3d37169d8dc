"""Nothing that a person has is lost: random commands over random trees of files, runs that are
killed or fail among them, and every file that was there before is compared."""

import fnmatch
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import stat
import subprocess

from conftest import COMMAND, make_picture

RUNS = int(os.environ.get("UFFIZI_PROPERTY_RUNS", "60"))
SEED = int(os.environ.get("UFFIZI_PROPERTY_SEED", "16"))
STEMS = ["a", "b", "c"]
PICTURES = [".png", ".jpg"]
COCO = {
    "images": [{"id": 7, "file_name": "photos/a.png"}],
    "annotations": [{"id": 3, "image_id": 7, "category_id": 5, "bbox": [1, 1, 2, 2]}],
    "categories": [{"id": 5, "name": "unicorn"}],
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(path):
        path.write_text(text)


def some(rnd, items):
    return rnd.sample(items, rnd.randint(0, len(items)))


def make_tree(rnd, home):
    """What a person may have: pictures, captions, data sets, answers, and links among them."""
    for stem in STEMS:
        make_picture(rnd, home / "photos" / (stem + rnd.choice(PICTURES)))
    if rnd.random() < 0.5:
        make_picture(rnd, home / "photos" / "sub" / "a.png")
    if rnd.random() < 0.3:
        make_picture(rnd, home / "photos" / "a.jpg")  # beside a.png
    if rnd.random() < 0.5:
        make_picture(rnd, home / "ds" / "images" / ("a" + rnd.choice(PICTURES)))
    if rnd.random() < 0.2:
        write(home / "photos" / "broken.jpg", "no picture")
    text = "by hand " + str(rnd.random()) + rnd.choice(["", "\n"])
    names = [
        "photos/a.txt",
        "photos/b.txt",
        "photos/sub/a.txt",
        "photos/notes.json",
        "text/a.txt",
        "ds/labels/a.txt",
        "ds/labels/b.txt",
        "ds/labels/sub/a.txt",
        "ds/train.py",
        "answers.jsonl",
        "answers.csv",
        "boxes.json",
        "studio.json",
        "drawn/a.od.png",
        "drawn/mine.txt",
        "thesis/one.txt",
        "answers.jsonl.job/mine.txt",
        "answers.jsonl.part",
        "boxes.json.part",
        "coco-annotations",
        "coco-categories",
        "journal.json",
        "lock",
        "photos/a.txt.part",
        "ds.job/journal.json",
        "uffizi-sidecars.job/lock",
        "ds/labels/a.txt.part",
        "drawn/b.od.jpg",
    ]
    for name in some(rnd, names):
        write(home / name, text + name)
    if rnd.random() < 0.3:
        write(home / "boxes.json", json.dumps(COCO))
    if rnd.random() < 0.3:
        write(home / "ds" / "classes.txt", rnd.choice(["house\napple\n", "tree\n", "\n\nodd\n"]))
    if rnd.random() < 0.3:
        write(home / "ds" / "data.yaml", rnd.choice(["names: [house, apple]\nnc: 2\n", "x: 1\n"]))
    make_links(rnd, home)
    write(home / "list.txt", "".join(f"photos/{p.name}\n" for p in (home / "photos").glob("*.*g")))
    write(home / "list.csv", "path\nphotos/a.png\n")
    (home / "empty").mkdir()
    for folder in some(rnd, ["thesis", "text", "drawn", "ds/labels"]):
        if rnd.random() < 0.3 and (home / folder).is_dir():
            (home / folder).chmod(0o555)


def make_links(rnd, home):
    targets = sorted(p for p in home.rglob("*") if p.is_file() and not p.is_symlink())
    places = [
        "photos/link.png",
        "photos/c.txt",
        "linked.jsonl",
        "answers.csv",
        "ds/images/b.jpg",
        "ds/images/c.png",
        "ds/labels/c.txt",
        "drawn/c.od.png",
        "photos/second.txt",
        "boxes.json",
    ]
    for name in some(rnd, places):
        place = home / name
        if os.path.lexists(place):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        kind = rnd.random()
        if kind < 0.15:
            place.symlink_to("nowhere")
        elif kind < 0.6:
            place.symlink_to(rnd.choice(targets))
        else:
            os.link(rnd.choice(targets), place)
    if rnd.random() < 0.2 and not (home / "text").exists():
        (home / "text").symlink_to("photos")


def look(home):
    """Every path with what it is: the hash of a file, where a link leads, or a folder."""
    found = {}
    for path in home.rglob("*"):
        name = str(path.relative_to(home))
        if path.is_symlink():
            found[name] = "-> " + os.readlink(path)
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def make_command(rnd):
    """The words of a command, its outputs by option, and what it says of existing ones."""
    files = {
        "--output": [
            "answers.jsonl",
            "linked.jsonl",
            "photos/a.png",
            "new.json",
            "list.txt",
            "new/deep/x.csv",
            "photos/notes.json",
            "ds/data.yaml",
            "/dev/null",
        ],
        "--csv": ["answers.csv", "answers.jsonl", "photos/b.jpg", "list.csv", "new.csv"],
        "--coco": ["boxes.json", "new-boxes.json", "photos/c.png", "answers.jsonl", "/dev/null"],
        "--label-studio": ["studio.json", "photos/notes.json", "new-studio.json"],
    }
    folders = {
        "--yolo": ["ds", "new-ds", "photos", "."],
        "--draw": ["drawn", "new-drawn", "photos", "ds/images"],
        "--sidecar-folder": ["text", "photos", "new-text", "drawn"],
        "--job": ["thesis", ".", "empty", "new-job", "answers.jsonl.job", "photos", "ds.job"],
    }
    command = rnd.sample(
        ["photos", "ds/images", "photos/a.png", "photos/*.jpg", "list.csv", "-"],
        rnd.choice([1, 1, 1, 2]),
    )
    tasks = rnd.choice([["od"], ["caption"], ["od", "caption"], ["open_vocabulary"]])
    command += [word for task in tasks for word in ("--task", task)]
    chosen = {}
    if rnd.random() < 0.5:
        chosen["--sidecar"] = None
    for option in rnd.sample(list(files) + list(folders)[:3], rnd.choice([0, 1, 1, 2, 3])):
        places = files.get(option) or folders[option]
        # At the usual place, which may exist, anywhere, or where nothing can be.
        (free,) = [place for place in places if re.match(r"new[-.]", place)]
        chosen[option] = rnd.choice([places[0], rnd.choice(places), free])
    if not chosen or rnd.random() < 0.1:
        chosen["--output"] = rnd.choice(files["--output"])
    if rnd.random() < 0.15:
        chosen["--job"] = rnd.choice(folders["--job"])
    for option, place in chosen.items():
        command += [option] if place is None else [option, place]
    if tasks == ["open_vocabulary"] or rnd.random() < 0.2:
        command += ["--class", "house", "--class", "apple"]
    if rnd.random() < 0.2 and {"--sidecar", "--sidecar-folder"} & chosen.keys():
        command += ["--prefix", "ohwx, "]
    if rnd.random() < 0.2:
        command += ["--restart"]
    existing = rnd.choice([None, None, "keep", "overwrite", "append", "prepend"])
    if existing is not None:
        command += ["--existing", existing]
    return command + ["--max-length", "12"], chosen, existing


def may_replace(name, before, chosen):
    """Whether a path is one that the command names as an output, for `overwrite`; it may do so
    through a link to a folder."""
    names = [name]
    if name.startswith("photos/") and before.get("text") == "-> photos":
        names.append(name.replace("photos", "text", 1))
    found = [is_named(name, chosen) for name in names]
    return True if True in found else found[0]


def is_named(name, chosen):
    path = pathlib.PurePath(name)
    if name in (chosen.get(o) for o in ("--output", "--csv", "--coco", "--label-studio")):
        return True
    inside = {
        option: path.relative_to(folder).parts
        for option, folder in chosen.items()
        if folder is not None and path.is_relative_to(folder)
    }
    if "--yolo" in inside:
        below = inside["--yolo"]
        if below in [("classes.txt",), ("data.yaml",)] or below[:1] == ("labels",):
            return True
        if below[:1] == ("images",):
            return "link"
    tasks = ("od", "caption", "open_vocabulary_detection")
    if "--draw" in inside and any(f".{task}." in name for task in tasks):
        return True
    is_text = path.suffix == ".txt"
    return is_text and ("--sidecar-folder" in inside or "--sidecar" in chosen)


def is_input(name, command):
    """Whether a path is one of the pictures that a command asks about."""
    path = pathlib.PurePath(name)
    asked = {"photos/*.jpg": "photos/*.jpg", "-": "photos/*.*g", "list.csv": "photos/a.png"}
    words = command[: command.index("--task")]
    return path.suffix in PICTURES and any(
        path.is_relative_to(word) or fnmatch.fnmatch(name, asked.get(word, "")) for word in words
    )


def grows(chosen):
    """What --existing append adds to, beside .txt sidecars."""
    names = [chosen.get("--coco")]
    if "--yolo" in chosen:
        names += [str(pathlib.PurePath(chosen["--yolo"], n)) for n in ("classes.txt", "data.yaml")]
    return names


def check(home, before, command, chosen, existing):
    after = look(home)
    texts = existing in ("append", "prepend")
    for name, was in before.items():
        now = after.get(name, "gone")
        if now == was:
            continue
        note = f"{name}: {was[:20]} became {now[:20]}: {' '.join(command)}"
        assert now != "gone" and was != "folder", note
        assert not is_input(name, command) or was.startswith("->"), note
        if existing == "overwrite":
            allowed = may_replace(name, before, chosen)
            assert allowed is True or (allowed == "link" and was.startswith("->")), note
        else:
            sidecar = texts and name.endswith(".txt") and may_replace(name, before, chosen) is True
            assert sidecar or (existing == "append" and name in grows(chosen)), note
    return after


def texts_of(home):
    found = {}
    for path in home.rglob("*.txt"):
        if path.is_file():
            found[str(path.relative_to(home))] = path.read_bytes()
    return found


def run_once(home, rnd, command, kind):
    """One run, which ends, is killed, or fails. Returns the exit code, None after a kill."""
    options = {}
    if kind == "full disk":
        size = rnd.choice([0, 10, 200, 2000])

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        options["preexec_fn"] = limit
    words = [COMMAND, "annotate", *command]
    if kind == "no model":
        words += ["--model", "photos"]
    if kind == "too long":
        words += ["--min-length", "10000000", "--max-length", "100000000"]
    with open(home / "list.txt") as listed:
        process = subprocess.Popen(
            words,
            cwd=home,
            stdin=listed,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            **options,
        )
        try:
            wait = rnd.uniform(0.005, 0.4) if kind == "kill" else 120
            _, message = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            assert kind == "kill"
            process.kill()
            process.communicate()
            return None, b""
    assert process.returncode in (0, 1, 2, 3, 4), (process.returncode, message)
    return process.returncode, message


def unlock(home):
    for path in [home, *home.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IRWXU)


def try_one(number, home):
    rnd = random.Random(f"{SEED} {number}")
    home.mkdir()
    make_tree(rnd, home)
    before, texts = look(home), texts_of(home)
    command, chosen, existing = make_command(rnd)
    kinds = rnd.choice(
        [
            ["end"],
            ["end"],
            ["kill", "end"],
            ["kill", "kill", "end"],
            ["full disk", "end"],
            ["no model"],
            ["too long"],
            ["kill", "no model", "end"],
        ]
    )
    outcome = None
    for turn, kind in enumerate(kinds):
        code, message = run_once(home, rnd, command, kind)
        after = check(home, before, [kind, *command], chosen, existing)
        if turn == 0 and code in (2, 3) and kind in ("end", "no model"):
            # Refused: then nothing at all was made.
            assert after == before, (command, message)
        outcome = code
    if outcome in (0, 1):
        assert not [name for name in after if "/.uffizi-" in "/" + name], command
        journals = {name for name in after if name.endswith(".job") or name == "new-job"}
        for name in journals - before.keys():
            # Killed at the very instant at which it had made the folder, which then is empty.
            assert "kill" in kinds and not list((home / name).iterdir()), (name, command)
    if (
        existing == "append"
        and "boxes.json" in before
        and after["boxes.json"] != before["boxes.json"]
    ):
        new = json.loads((home / "boxes.json").read_text())
        assert all(new[key][:1] == COCO[key] for key in COCO), command
        assert len({image["id"] for image in new["images"]}) == len(new["images"]), command
    if existing in ("append", "prepend"):
        for name, text in texts.items():
            path = home / name
            now = path.read_bytes()
            kept = now.startswith(text) if existing == "append" else now.endswith(text)
            assert kept or before[name] == after[name], (name, command)
    unlock(home)
    shutil.rmtree(home)
    return outcome, existing, kinds[0]


def test_nothing_is_lost(tmp_path):
    outcomes = [try_one(number, tmp_path / str(number)) for number in range(RUNS)]
    # The commands are not all refused.
    worked = [o for o in outcomes if o[0] in (0, 1)]
    assert len(worked) >= RUNS // 6, outcomes
    if RUNS >= 300:  # fewer need not meet every way
        assert {o[1] for o in worked} == {None, "keep", "overwrite", "append", "prepend"}
        assert {o[2] for o in worked} >= {"end", "kill", "full disk"}
