import pytest

import uffizi


@pytest.fixture
def folder(tmp_path, scene, other):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "a.PNG").write_bytes(scene.read_bytes())
    (tmp_path / "deeper" / "b.jpg").write_bytes(other.read_bytes())
    (tmp_path / "broken.png").write_bytes(scene.read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_a_table(folder, model, capsys):
    table = uffizi.annotate(folder, ["<OD>", "<CAPTION>"])
    assert "3/3" in capsys.readouterr().err
    assert list(dict.fromkeys(table["image"])) == [
        str(folder / "a.PNG"),
        str(folder / "broken.png"),
        str(folder / "deeper/b.jpg"),
    ]
    found = table[(table["image"] == str(folder / "a.PNG")) & (table["task"] == "<OD>")]
    expected = model(folder / "a.PNG", "<OD>")
    assert list(found["label"]) == [region.label for region in expected.regions]
    assert [tuple(box) for box in found[["x1", "y1", "x2", "y2"]].to_numpy()] == [
        tuple(region.bounds) for region in expected.regions
    ]
    captions = table[table["task"] == "<CAPTION>"]
    assert list(captions["text"]) == [
        model(path, "<CAPTION>").caption for path in captions["image"]
    ]
    (error,) = table["error"].dropna()
    assert error.startswith("invalid_image: ") and "broken.png" in error


def test_every_kind_has_a_row(tmp_path, scene):
    for name in ("a.bmp", "b.heic", "c.avif", "d.jfif", "e.psd"):
        (tmp_path / name).write_bytes(b"broken")
    (tmp_path / "f.txt").write_text("no picture")
    table = uffizi.annotate(tmp_path, "<CAPTION>", progress=False)
    assert [path[-6:] for path in table["image"]] == [
        "/a.bmp",
        "b.heic",
        "c.avif",
        "d.jfif",
        "/e.psd",
    ]
    assert table["error"].notna().all()


def test_other_ways(folder, capsys):
    flat = uffizi.annotate(str(folder), "<CAPTION>", recursive=False, progress=False)
    assert len(flat) == 2 and capsys.readouterr().err == ""
    one = uffizi.annotate(
        folder / "a.PNG", "<OPEN_VOCABULARY_DETECTION>", text="dog", progress=False
    )
    assert set(one["task"]) == {"<OPEN_VOCABULARY_DETECTION>"}
    outlines = uffizi.annotate(
        [folder / "a.PNG"], ("<REFERRING_EXPRESSION_SEGMENTATION>", "the house"), progress=False
    )
    assert all(outlines["label"].isna() | outlines["outline"].notna())
    assert len(uffizi.annotate([], "<OD>", progress=False)) == 0
    with pytest.raises(uffizi.NotFoundError):
        uffizi.annotate("no-such-folder", "<OD>")
    with pytest.raises(uffizi.PromptError):
        uffizi.annotate(folder, "<CAPTION_TO_PHRASE_GROUNDING>", progress=False)
