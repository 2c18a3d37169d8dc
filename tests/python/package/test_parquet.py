import json
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

import uffizi


@pytest.fixture
def table(tmp_path, scene, other):
    """As Hugging Face keeps pictures: bytes, a path, something broken, nothing."""
    (tmp_path / "other.jpg").write_bytes(other.read_bytes())
    cells = [
        {"bytes": scene.read_bytes(), "path": "scene.png"},
        {"bytes": None, "path": "other.jpg"},
        {"bytes": b"broken", "path": "bad.png"},
        None,
    ]
    pyarrow.parquet.write_table(
        pyarrow.table({"label": [1, 2, 3, 4], "image": cells}), tmp_path / "in.parquet"
    )
    return tmp_path / "in.parquet"


def test_a_column_of_pictures(table, model, tmp_path, scene):
    out = uffizi.annotate_parquet(
        table, tmp_path / "out.parquet", ["<OD>", "<CAPTION>"], model=model, progress=False
    )
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [row["image"] for row in rows] == ["scene.png", "other.jpg", "bad.png", None]
    assert [row["error"] is None for row in rows] == [True, True, False, False]
    found, caption = rows[0]["results"]
    expected = model(scene, "<OD>")
    assert found["labels"] == [region.label for region in expected.regions]
    assert found["bboxes"][0] == pytest.approx(list(expected.regions[0].bounds))
    assert caption["text"] == model(scene, "<CAPTION>").caption
    assert not (tmp_path / "out.parquet.job").exists()
    with pytest.raises(uffizi.ArgumentError, match="there already"):
        uffizi.annotate_parquet(table, tmp_path / "out.parquet", "<CAPTION>", model=model)


def test_lists_bytes_and_paths(tmp_path, model, scene, other):
    (tmp_path / "a.png").write_bytes(scene.read_bytes())
    columns = {"photos": [["a.png", "a.png"], []], "raw": [other.read_bytes(), scene.read_bytes()]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
    out = uffizi.annotate_parquet(
        tmp_path / "in.parquet",
        tmp_path / "a.jsonl",
        "<CAPTION>",
        column="photos",
        model=model,
        progress=False,
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["row"], row["item"]) for row in rows] == [(0, 0), (0, 1)]
    out = uffizi.annotate_parquet(
        tmp_path, tmp_path / "b.jsonl", "<CAPTION>", column="raw", model=model, progress=False
    )
    assert [json.loads(line)["width"] for line in out.read_text().splitlines()] == [
        model.encode(other).width,
        model.encode(scene).width,
    ]
    with pytest.raises(uffizi.ArgumentError, match="photos, raw"):
        uffizi.annotate_parquet(tmp_path, tmp_path / "c.jsonl", "<CAPTION>", model=model)


def test_a_stopped_job_goes_on(table, model, tmp_path, monkeypatch):
    monkeypatch.setattr("uffizi._parquet.ROWS_PER_PART", 1)
    whole = uffizi.annotate_parquet(
        table, tmp_path / "whole.jsonl", "<CAPTION>", model=model, progress=False
    )
    encode, asked = uffizi.Florence2.encode, []

    def stop_at_second(self, picture, **options):
        if isinstance(picture, uffizi.EncodedImage):  # asked about, and encoded before
            return encode(self, picture, **options)
        asked.append(picture)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return encode(self, picture, **options)

    monkeypatch.setattr(uffizi.Florence2, "encode", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        uffizi.annotate_parquet(
            table, tmp_path / "out.jsonl", "<CAPTION>", model=model, progress=False
        )
    with pytest.raises(uffizi.ArgumentError, match="other files, tasks or options"):
        uffizi.annotate_parquet(table, tmp_path / "out.jsonl", "<OD>", model=model, progress=False)
    before = len(asked)
    out = uffizi.annotate_parquet(
        table, tmp_path / "out.jsonl", "<CAPTION>", model=model, progress=False
    )
    assert len(asked) - before == 2  # the first is not asked again, the last names no picture
    assert out.read_text() == whole.read_text()


def test_command_line(table, tmp_path):
    command = [sys.executable, "-m", "uffizi", "annotate", table, "--task", "caption"]
    done = subprocess.run(
        [*command, "--output", tmp_path / "o.jsonl", "--quiet"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 4
    again = subprocess.run(
        [*command, "--output", tmp_path / "o.jsonl"], capture_output=True, text=True
    )
    assert again.returncode == 2 and "there already" in again.stderr


def test_nothing_of_a_person_is_touched(table, model, tmp_path):
    def ask(name, **options):
        return uffizi.annotate_parquet(
            table, tmp_path / name, "<CAPTION>", model=model, progress=False, **options
        )

    # A folder of somebody's where the job would keep its answers.
    mine = tmp_path / "a.parquet.job" / "rows.jsonl"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(uffizi.ArgumentError, match=r"rows\.jsonl.*no job made"):
        ask("a.parquet", restart=True)
    assert mine.read_text() == "mine" and not (tmp_path / "a.parquet").exists()
    # A link that leads nowhere is a person's, too.
    (tmp_path / "b.jsonl").symlink_to("nowhere")
    with pytest.raises(uffizi.ArgumentError, match="there already"):
        ask("b.jsonl")
    assert (tmp_path / "b.jsonl").is_symlink()
    # So is a file that was put there while the job ran.
    (tmp_path / "c.jsonl.job").mkdir()
    (tmp_path / "c.jsonl.job" / "notes.txt").write_text("mine")
    with pytest.raises(uffizi.ArgumentError, match=r"notes\.txt"):
        ask("c.jsonl")
    assert (tmp_path / "c.jsonl.job" / "notes.txt").read_text() == "mine"


def test_a_place_that_is_taken_meanwhile_is_left_alone(table, model, tmp_path, monkeypatch):
    encode = uffizi.Florence2.encode

    def take_the_place(self, picture, **options):
        (tmp_path / "out.parquet").write_text("mine")
        return encode(self, picture, **options)

    monkeypatch.setattr(uffizi.Florence2, "encode", take_the_place)
    with pytest.raises(uffizi.ArgumentError, match=r"out\.parquet"):
        uffizi.annotate_parquet(
            table, tmp_path / "out.parquet", "<CAPTION>", model=model, progress=False
        )
    monkeypatch.undo()
    assert (tmp_path / "out.parquet").read_text() == "mine"
    # What was found out is kept for the next call.
    (tmp_path / "out.parquet").unlink()
    out = uffizi.annotate_parquet(
        table, tmp_path / "out.parquet", "<CAPTION>", model=model, progress=False
    )
    assert pyarrow.parquet.read_table(out).num_rows == 4
    assert not (tmp_path / "out.parquet.job").exists()


def test_one_job_at_a_time(table, model, tmp_path):
    held = uffizi._native.JobFolder(tmp_path / "o.jsonl.job", ["job.json", "rows.jsonl"])
    with pytest.raises(uffizi.ArgumentError, match="another process"):
        uffizi.annotate_parquet(
            table, tmp_path / "o.jsonl", "<CAPTION>", model=model, progress=False
        )
    del held
    uffizi.annotate_parquet(table, tmp_path / "o.jsonl", "<CAPTION>", model=model, progress=False)
