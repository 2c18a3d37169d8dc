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


def test_pages(tmp_path, scene, source, model):
    formats = source / "tests" / "data" / "formats"
    (tmp_path / "pages.tif").write_bytes((formats / "pages.tif").read_bytes())
    (tmp_path / "scene.png").write_bytes(scene.read_bytes())
    (tmp_path / "broken.tif").write_bytes(b"II*\0broken")

    def pages_of(table, name):
        chosen = table[table["image"] == str(tmp_path / name)]
        return list(zip(chosen["page"], chosen["pages"]))

    first = uffizi.annotate(tmp_path, "<CAPTION>", progress=False)
    assert pages_of(first, "pages.tif") == [(1, 3)] and pages_of(first, "scene.png") == [(1, 1)]
    table = uffizi.annotate(tmp_path, "<CAPTION>", pages="all", batch_size=2, progress=False)
    assert pages_of(table, "pages.tif") == [(1, 3), (2, 3), (3, 3)]
    assert pages_of(table, "broken.tif") == [(1, 1)] and len(table) == 5
    captions = table[table["pages"] == 3]["text"]
    assert list(captions) == [
        model(model.encode(tmp_path / "pages.tif", page=page), "<CAPTION>").caption
        for page in (1, 2, 3)
    ]
    some = uffizi.annotate(tmp_path, "<CAPTION>", pages=[3, 2], progress=False)
    assert pages_of(some, "pages.tif") == [(3, 3), (2, 3)]
    (error,) = some[some["image"] == str(tmp_path / "scene.png")]["error"]
    assert error.startswith("invalid_argument: ") and "it has 1" in error
    for wrong in (0, [], "first", [1.5]):
        with pytest.raises(uffizi.ArgumentError, match="numbers from 1"):
            uffizi.annotate(tmp_path, "<CAPTION>", pages=wrong, progress=False)


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
