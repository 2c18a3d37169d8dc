"""The examples of docs/programs.md, as they stand there, with the real packages."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


def sections(source):
    """Heading -> the Python below it."""
    page = (source / "docs" / "programs.md").read_text()
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    found = {
        name: re.findall(r"^```python\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
        for name, body in zip(parts[::2], parts[1::2])
    }
    return {name: blocks[0] for name, blocks in found.items() if blocks}


NAMES = ["FiftyOne", "autodistill", "supervision", "Hugging Face datasets", "Ray Data"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name, source, photos, model):
    code = sections(source)[name]
    folder = photos.parent
    start = "import mongo_stand_in\n" if name == "FiftyOne" else ""
    (folder / "page.py").write_text(f"import sys\nsys.path.append({str(HERE)!r})\n{start}{code}")
    # Ray's workers otherwise yield to all other programs, and hardly run on a busy machine.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    check = {"FiftyOne": fiftyone, "autodistill": autodistill, "Ray Data": ray_data}.get(name)
    if name == "Hugging Face datasets":
        hugging_face(folder, photos, model)
    elif check:
        check(folder, photos, model, done.stdout)


def test_every_example_is_run(source):
    assert sorted(sections(source)) == sorted(NAMES)


def fiftyone(folder, photos, model, printed):
    assert "<Detection:" in printed and "'bounding_box'" in printed


def autodistill(folder, photos, model, printed):
    pictures = sorted(path.name for path in (folder / "labelled").glob("*/images/*"))
    assert pictures == sorted(path.name for path in photos.iterdir())


def hugging_face(folder, photos, model):
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(folder / "annotated.parquet").to_pylist()
    assert len(rows) == 3
    for row in rows:
        result = model(row["image"]["bytes"] or photos / row["image"]["path"], "<OD>")
        assert row["labels"] == [region.label for region in result.regions]
        assert [len(box) for box in row["boxes"]] == [4] * len(row["labels"])


def ray_data(folder, photos, model, printed):
    captions = {}
    for line in printed.splitlines():
        if line.startswith("{'path'"):
            row = json.loads(json.dumps(eval(line, {})))  # a dict that Ray's rows print as
            captions[pathlib.Path(row["path"]).name] = row["caption"]
    assert captions == {path.name: model(path, "<CAPTION>").caption for path in photos.iterdir()}
