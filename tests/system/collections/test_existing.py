"""What becomes of files that were there before: each case that a user has met, and --existing."""

import json
import pathlib
import shutil

import pytest
from conftest import annotate, make_picture, read_tree
from PIL import Image

SAMPLES = pathlib.Path(__file__).parents[3] / "samples"
QUICK = ["--max-length", "12"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A working folder with two pictures, in photos/."""
    import random

    rnd = random.Random(7)
    for name in ("a.png", "b.jpg"):
        make_picture(rnd, tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_job_folder_of_others_is_refused(home):
    (home / "thesis").mkdir()
    (home / "thesis" / "one.txt").write_text("chapter")
    for folder, said in [
        ("thesis", "one.txt"),
        (".", "the folder of the job's journal"),
        ("photos", "a.png"),
    ]:
        before = read_tree(home)
        done = annotate(
            "photos", "--task", "caption", "--output", "a.jsonl", "--job", folder, code=2
        )
        assert said in done.stderr and "No such" not in done.stderr
        assert read_tree(home) == before
    (home / "mine").mkdir()
    annotate("photos", "--task", "caption", "--output", "a.jsonl", "--job", "mine", *QUICK)
    assert (home / "mine").is_dir() and not list((home / "mine").iterdir())
    annotate("photos", "--task", "caption", "--output", "b.jsonl", "--job", "new/job", *QUICK)
    assert not (home / "new" / "job").exists()


def test_a_job_that_fails_removes_nothing(home):
    (home / "mine").mkdir()
    before = read_tree(home)
    annotate(
        "photos",
        "--task",
        "caption",
        "--output",
        "a.jsonl",
        "--job",
        "mine",
        "--model",
        "photos",
        code=3,
    )
    assert read_tree(home) == before and (home / "mine").is_dir()


def test_a_data_set_gets_labels_beside_its_pictures(home):
    images = home / "ds" / "images" / "train"
    images.mkdir(parents=True)
    for name in ("house.jpg", "apple.png"):
        make_picture(__import__("random").Random(name), images / name)
    before = read_tree(home / "ds" / "images")
    for inputs, place in [(["ds/images"], "ds"), (["ds"], "ds")]:
        annotate(*inputs, "--task", "od", "--yolo", place, "--existing", "overwrite", *QUICK)
        assert read_tree(home / "ds" / "images") == before
        labels = {str(p.relative_to(home)) for p in (home / "ds" / "labels").rglob("*.txt")}
        assert labels == {"ds/labels/train/house.txt", "ds/labels/train/apple.txt"}
    # Another picture of the same name is not replaced by a link, whatever is said.
    (home / "train").mkdir()
    shutil.copy(home / "photos" / "b.jpg", home / "train" / "house.jpg")
    (home / "ds" / "images" / "house.jpg").write_bytes(b"another picture")
    for existing in ([], ["--existing", "overwrite"]):
        done = annotate("train", "--task", "od", "--yolo", "ds", *existing, code=2)
        assert "house.jpg" in done.stderr
    assert (home / "ds" / "images" / "house.jpg").read_bytes() == b"another picture"


def test_links_to_pictures_that_lie_elsewhere(home):
    annotate("photos", "--task", "od", "--yolo", "ds", *QUICK)
    assert (home / "ds" / "images" / "a.png").resolve() == home / "photos" / "a.png"
    before = read_tree(home)
    assert (
        "2 outputs already exist"
        in annotate("photos", "--task", "od", "--yolo", "ds", code=2).stderr
    )
    done = annotate("photos", "--task", "od", "--yolo", "ds", "--existing", "keep", *QUICK)
    assert "2 pictures skipped" in done.stderr
    assert read_tree(home) == before


def test_captions_by_hand_stay(home):
    (home / "photos" / "a.txt").write_text("my own caption, triggerword")
    command = ["photos", "--task", "caption", "--sidecar", *QUICK]
    done = annotate(*command)
    assert "1 picture skipped" in done.stderr and "--existing" in done.stderr
    assert (home / "photos" / "a.txt").read_text() == "my own caption, triggerword"
    caption = (home / "photos" / "b.txt").read_text()
    (home / "photos" / "b.txt").unlink()
    annotate(*command, "--prefix", "ohwx, ", "--suffix", ", a photo", "--quiet")
    assert (home / "photos" / "b.txt").read_text() == f"ohwx, {caption.strip()}, a photo\n"
    annotate(*command, "--existing", "append")
    assert (home / "photos" / "a.txt").read_text().startswith("my own caption, triggerword\n")
    assert len((home / "photos" / "a.txt").read_text().splitlines()) == 2
    annotate(*command, "--existing", "prepend")
    lines = (home / "photos" / "a.txt").read_text().splitlines()
    assert lines[1] == "my own caption, triggerword" and lines[0] == lines[2]
    annotate(*command, "--existing", "overwrite")
    assert (home / "photos" / "a.txt").read_text() == lines[0] + "\n"
    assert (home / "photos" / "b.txt").read_text() == caption


def test_a_kept_caption_does_not_keep_other_answers_away(home):
    (home / "photos" / "a.txt").write_text("mine")
    done = annotate("photos", "--task", "caption", "--sidecar", "--output", "a.jsonl", *QUICK)
    assert len((home / "a.jsonl").read_text().splitlines()) == 2
    assert "1 file of other pictures kept" in done.stderr
    assert (home / "photos" / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("option", ["--output", "--csv", "--coco", "--label-studio"])
def test_an_output_that_is_an_input_is_refused(home, option):
    before = read_tree(home)
    for inputs, output in [
        (["photos"], "photos/a.png"),
        (["photos/a.png"], "photos/../photos/a.png"),
        (["list.csv"], "list.csv"),
        (["list.csv"], "photos/b.jpg"),
    ]:
        (home / "list.csv").write_text("path\nphotos/b.jpg\n")
        for existing in ([], ["--existing", "overwrite"]):
            done = annotate(*inputs, "--task", "od", option, output, *existing, code=2)
            assert "is an input" in done.stderr, done.stderr
    (home / "link").symlink_to("photos/a.png")
    annotate("photos", "--task", "od", option, "link", "--existing", "overwrite", code=2)
    (home / "link").unlink()
    (home / "list.csv").unlink()
    assert read_tree(home) == before


def test_outputs_that_two_options_share_are_refused(home):
    before = read_tree(home)
    for outputs in [
        ["--output", "x", "--csv", "x"],
        ["--output", "./x", "--coco", "new/../x"],
        ["--yolo", "d", "--draw", "d"],
        ["--yolo", "d", "--output", "d/data.yaml"],
        ["--sidecar-folder", "d", "--job", "d"],
        ["--output", "j/x", "--job", "j"],
        ["--draw", "photos"],
        ["--output", "new/deep/x", "--csv", "photos/a.png"],
    ]:
        assert annotate("photos", "--task", "od", *outputs, code=2).stderr
        assert read_tree(home) == before


def test_outputs_that_exist_are_refused_and_counted(home):
    (home / "a.jsonl").write_text("mine")
    (home / "drawn").mkdir()
    (home / "drawn" / "a.od.png").write_text("mine")
    command = ["photos", "--task", "od", "--output", "a.jsonl", "--draw", "drawn", *QUICK]
    before = read_tree(home)
    for existing in ([], ["--existing", "append"], ["--existing", "prepend"]):
        done = annotate(*command, *existing, code=2)
        assert "2 outputs already exist" in done.stderr and "keep|overwrite" in done.stderr
    assert "--existing keep|overwrite|append|prepend" in annotate(*command, code=2).stderr
    assert "a.jsonl" in annotate(*command, "--existing", "keep", code=2).stderr
    assert read_tree(home) == before
    annotate(*command, "--existing", "overwrite")
    assert len((home / "a.jsonl").read_text().splitlines()) == 2
    Image.open(home / "drawn" / "a.od.png").verify()


def test_nothing_is_made_in_the_working_folder_for_a_stream(home):
    (home / "coco-annotations").write_text("mine")
    before = read_tree(home)
    annotate("photos", "--task", "od", "--coco", "/dev/null", *QUICK)
    assert read_tree(home) == before


def labels_of(folder):
    ids = set()
    for path in pathlib.Path(folder, "labels").rglob("*.txt"):
        ids |= {int(line.split()[0]) for line in path.read_text().splitlines()}
    return ids


@pytest.mark.parametrize("by_file", [False, True])
def test_class_ids_are_those_of_the_list(tmp_path, by_file):
    names = ["plane", "tree", "person", "house"]
    (tmp_path / "names.txt").write_text("".join(name + "\n" for name in names))
    given = [word for name in names for word in ("--class", name)]
    given = ["--classes", tmp_path / "names.txt"] if by_file else given
    for number, picture in enumerate(sorted(SAMPLES.glob("*.jpg"))[:2]):
        out = tmp_path / str(number)
        done = annotate(
            picture,
            "--task",
            "od",
            *given,
            "--yolo",
            out / "yolo",
            "--coco",
            out / "boxes.json",
            "--output",
            out / "a.jsonl",
            "--label-studio",
            out / "studio.json",
        )
        free = json.loads(annotate(picture, "--task", "od", "--format", "jsonl").stdout)
        assert (out / "yolo" / "classes.txt").read_text().split() == names
        coco = json.loads((out / "boxes.json").read_text())
        assert [(c["id"], c["name"]) for c in coco["categories"]] == list(enumerate(names, 1))
        record = json.loads((out / "a.jsonl").read_text())
        found = record["result"]["labels"]
        assert found == [label for label in free["result"]["labels"] if label in names]
        outside = len(free["result"]["labels"]) - len(found)
        assert (f"{outside} region" in done.stderr) == (outside > 0)
        assert [names[a["category_id"] - 1] for a in coco["annotations"]] == found
        assert labels_of(out / "yolo") == {names.index(label) for label in found}
        results = json.loads((out / "studio.json").read_text())[0]["predictions"][0]["result"]
        assert [item["value"]["rectanglelabels"][0] for item in results] == found


def test_a_data_set_that_goes_on_keeps_its_ids(tmp_path):
    first, second = sorted(SAMPLES.glob("*.jpg"))[:2]
    ds = tmp_path / "ds"
    annotate(first, "--task", "od", "--yolo", ds)
    names = (ds / "classes.txt").read_text().split("\n")[:-1]
    annotate(second, "--task", "od", "--yolo", ds)  # those are our own names, to which may be added
    both = (ds / "classes.txt").read_text().split("\n")[:-1]
    assert both[: len(names)] == names and len(set(both)) == len(both)
    assert max(labels_of(ds)) == len(both) - 1
    # A list by hand is another's.
    for name in ("classes.txt", "data.yaml"):
        (ds / name).unlink()
    shutil.rmtree(ds / "labels")
    (ds / "classes.txt").write_text("unicorn\n" + names[-1] + "\n")
    (ds / "data.yaml").write_text(f"train: mine\nnames: [unicorn, '{names[-1]}']\nnc: 2\n")
    before = read_tree(ds)
    assert "2 outputs already exist" in annotate(first, "--task", "od", "--yolo", ds, code=2).stderr
    done = annotate(first, "--task", "od", "--yolo", ds, "--existing", "keep")
    after = read_tree(ds)
    assert all(after[name] == before[name] for name in before)
    assert labels_of(ds) <= {1} and ("dropped" in done.stderr or len(names) == 1)
    shutil.rmtree(ds / "labels")
    annotate(first, "--task", "od", "--yolo", ds, "--existing", "append")
    lines = (ds / "classes.txt").read_text().split("\n")[:-1]
    assert lines[:2] == ["unicorn", names[-1]] and set(names) <= set(lines)
    assert "train: mine\n" in (ds / "data.yaml").read_text()
    assert f"nc: {len(lines)}\n" in (ds / "data.yaml").read_text()
    # Another order than the list's is said, and nothing is done.
    wrong = annotate(first, "--task", "od", "--yolo", ds, "--class", "apple", code=2).stderr
    assert "class 0 is unicorn there and apple in the list" in wrong


def test_a_coco_file_that_goes_on_keeps_its_ids(home):
    old = {
        "info": {"version": "7"},
        "licenses": [{"id": 1}],
        "images": [{"id": 40, "file_name": "photos/a.png", "license": 1}],
        "annotations": [{"id": 9, "image_id": 40, "category_id": 90, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 90, "name": "unicorn", "supercategory": "animal"}],
    }
    (home / "boxes.json").write_text(json.dumps(old))
    picture = next(iter(sorted(SAMPLES.glob("*.jpg"))))
    shutil.copy(picture, home / "photos" / "c.jpg")
    command = ["photos", "--task", "od", "--coco", "boxes.json", "--output", "a.jsonl"]
    annotate(*command, "--existing", "append", "--class", "tree", code=2)
    annotate(*command[:-2], "--existing", "keep", code=2)
    assert json.loads((home / "boxes.json").read_text()) == old
    done = annotate(*command, "--existing", "append")
    assert "1 file of other pictures kept" in done.stderr
    new = json.loads((home / "boxes.json").read_text())
    for key in ("images", "annotations", "categories"):
        assert new[key][:1] == old[key]
    assert new["info"] == old["info"] and new["licenses"] == old["licenses"]
    assert [i["file_name"] for i in new["images"]] == [
        f"photos/{n}" for n in ("a.png", "b.jpg", "c.jpg")
    ]
    for key in ("images", "annotations", "categories"):
        ids = [entry["id"] for entry in new[key]]
        assert ids == sorted(set(ids))
    names = {category["id"]: category["name"] for category in new["categories"]}
    assert min(names) == 90 and len(set(names.values())) == len(names)
    labels = [
        label
        for line in (home / "a.jsonl").read_text().splitlines()
        for label in json.loads(line)["result"]["labels"]
        if "a.png" not in json.loads(line)["image"]
    ]
    assert [names[a["category_id"]] for a in new["annotations"][1:]] == [
        n or "object" for n in labels
    ]
    before = read_tree(home)
    done = annotate(*command[:-2], "--existing", "append")
    assert "3 pictures skipped" in done.stderr
    assert json.loads((home / "boxes.json").read_text()) == new
    (home / "boxes.json").write_text("[]")
    assert "not a COCO file" in annotate(*command[:-2], "--existing", "append", code=2).stderr
    assert before["photos/a.png"] == read_tree(home)["photos/a.png"]
