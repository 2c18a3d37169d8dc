import io
import pathlib

import numpy as np
import PIL.Image
import pytest

import uffizi
from uffizi._pictures import to_pixels


def test_all_kinds_are_the_same_picture(model, scene):
    expected = np.asarray(PIL.Image.open(scene).convert("RGB"))
    data = scene.read_bytes()
    with open(scene, "rb") as file:
        kinds = [
            str(scene),
            scene,
            data,
            bytearray(data),
            memoryview(data),
            io.BytesIO(data),
            file,
            PIL.Image.open(scene),
            expected,
            expected[:, ::-1][:, ::-1],
        ]
        for kind in kinds:
            np.testing.assert_array_equal(to_pixels(kind), expected)
    texts = {
        model(kind, "<OD>").text for kind in (str(scene), data, PIL.Image.open(scene), expected)
    }
    assert len(texts) == 1


def test_files_are_read_as_pillow_reads_them(source):
    for path in sorted((source / "tests/data/image").glob("*.png"))[:6]:
        image = PIL.Image.open(path)
        if image.has_transparency_data or image.mode.startswith("I"):
            continue
        np.testing.assert_array_equal(to_pixels(path), np.asarray(image.convert("RGB")))


def test_arrays_are_not_copied(model):
    array = np.zeros((60, 80, 3), np.uint8)
    assert to_pixels(array) is array
    crop = array[10:40, 20:60]
    assert to_pixels(crop) is crop
    crop[:] = 200
    same = np.full((30, 40, 3), 200, np.uint8)
    np.testing.assert_array_equal(model.encode(crop).tokens, model.encode(same).tokens)
    assert (
        model(np.zeros((2, 60, 80, 3), np.uint8), "<CAPTION>")[1].width == 80
    )  # a stack is a list
    array.setflags(write=False)
    assert to_pixels(array) is array and model.encode(array).height == 60


def test_grey_and_transparent(tmp_path):
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    for given in (grey, grey[:, :, np.newaxis], PIL.Image.fromarray(grey)):
        np.testing.assert_array_equal(to_pixels(given), np.stack([grey] * 3, axis=2))
    rng = np.random.default_rng(1)
    rgba = rng.integers(0, 256, (40, 50, 4), dtype=np.uint8)
    PIL.Image.fromarray(rgba).save(tmp_path / "a.png")
    from_file = to_pixels(tmp_path / "a.png")
    np.testing.assert_array_equal(to_pixels(rgba), from_file)
    np.testing.assert_array_equal(to_pixels(PIL.Image.fromarray(rgba)), from_file)
    for given in (rgba, PIL.Image.fromarray(rgba), tmp_path / "a.png"):
        np.testing.assert_array_equal(to_pixels(given, drop_alpha=True), rgba[:, :, :3])


def test_orientation_is_for_files(source):
    turned = source / "tests/data/image/orientation_6.jpg"
    image = PIL.Image.open(turned)
    assert to_pixels(turned).shape[:2] == (image.width, image.height)
    assert (
        to_pixels(turned, exif=False).shape
        == to_pixels(image).shape
        == (image.height, image.width, 3)
    )


def test_refusals(tmp_path, model, scene):
    broken = tmp_path / "broken.png"
    broken.write_bytes(scene.read_bytes()[:5000])
    for given in (broken, broken.read_bytes(), PIL.Image.open(broken), b"", b"no picture"):
        with pytest.raises(uffizi.ImageError):
            to_pixels(given)
    with pytest.raises(uffizi.ImageError, match="broken.png"):
        model(broken, "<OD>")
    for given in (tmp_path / "none.png", str(tmp_path / "none.png")):
        with pytest.raises(uffizi.NotFoundError, match="none.png"):
            model(given, "<OD>")
    for array in (
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), bool),
    ):
        with pytest.raises(uffizi.ArgumentError):
            to_pixels(array)
    with pytest.raises(TypeError, match="not int"):
        to_pixels(3)
    for given in (scene, PIL.Image.open(scene)):
        with pytest.raises(uffizi.ImageError, match="(?i)pixels"):
            to_pixels(given, max_pixels=1000)


def test_names_that_are_not_utf8(tmp_path, scene):
    path = pathlib.Path(str(tmp_path / "b\udcffd.png"))
    path.write_bytes(scene.read_bytes())
    assert to_pixels(path).shape == (705, 529, 3)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pil_images_of_wide_samples_are_those_of_their_files(mode, tmp_path):
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    if mode == "F":
        image = PIL.Image.fromarray((grey / 255).astype(np.float32))
    else:
        image = PIL.Image.fromarray(grey * 257).convert(mode)
    assert image.mode == mode
    pixels = to_pixels(image)
    assert np.abs(pixels[:, :, 0].astype(int) - grey).max() <= 1
    assert (pixels[:, :, 0] == pixels[:, :, 2]).all()
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(to_pixels(tmp_path / "a.tif"), pixels)
    if mode == "I;16":
        image.save(tmp_path / "a.png")
        np.testing.assert_array_equal(to_pixels(tmp_path / "a.png"), pixels)


def test_negative_and_large_numbers_are_stretched():
    heights = np.linspace(-50, 3000, 400, dtype=np.float32).reshape(20, 20)
    pixels = to_pixels(PIL.Image.fromarray(heights))
    assert pixels.min() == 0 and pixels.max() == 255
    assert abs(int(pixels[10, 0, 0]) - 128) <= 1


def test_kinds_that_came_later(source):
    formats = source / "tests/data/formats"
    expected = np.asarray(PIL.Image.open(formats / "expected/rgb_bmp.png"))
    for name in ("rgb.bmp", "rgb.tga", "rgb.ppm", "rgb.qoi", "near_infrared.tif"):
        np.testing.assert_array_equal(to_pixels(formats / name), expected)


def test_pages(source):
    formats = source / "tests/data/formats"
    assert uffizi.count_pages(formats / "pages.tif") == 3
    assert uffizi.count_pages((formats / "rgb.bmp").read_bytes()) == 1
    assert uffizi.count_pages(formats / "two_pages.pdf") == 2  # pypdfium2 is installed
    for page in (1, 2):
        expected = np.asarray(
            PIL.Image.open(formats / f"expected/two_pages_pdf{'_1' if page == 2 else ''}.png")
        )
        got = to_pixels(formats / "two_pages.pdf", page=page)
        assert np.abs(got.astype(int) - expected).max() <= 1
    with pytest.raises(uffizi.Error, match="no page 4"):
        to_pixels(formats / "pages.tif", page=4)


def test_truncated(tmp_path, other):
    (tmp_path / "cut.jpg").write_bytes(other.read_bytes()[:-5000])
    with pytest.raises(uffizi.ImageError, match="truncated"):
        to_pixels(tmp_path / "cut.jpg")
    pixels = to_pixels(tmp_path / "cut.jpg", truncated="fill")
    np.testing.assert_array_equal(pixels[:50], to_pixels(other)[:50])


def test_a_page_is_encoded(model, source):
    """A page that is encoded is the page that is read."""
    formats = source / "tests/data/formats"
    for page in (1, 2):
        encoded = model.encode(formats / "two_pages.pdf", page=page, pdf_dpi=100)
        other = model.encode(to_pixels(formats / "two_pages.pdf", page=page, pdf_dpi=100))
        assert (encoded.width, encoded.height) == (other.width, other.height)
        np.testing.assert_array_equal(encoded.tokens, other.tokens)
    with pytest.raises(uffizi.Error):
        model.encode(formats / "two_pages.pdf", page=3)


def test_tiles_and_filters(model, pictures):
    image = PIL.Image.open(pictures / "village.jpg").convert("RGB")
    pair = PIL.Image.new("RGB", (2 * image.width, image.height))
    pair.paste(image, (0, 0))
    pair.paste(image, (image.width, 0))
    encoded = model.encode(pair, tiles="2x1")
    assert encoded.tile_count == 2 and model.encode(pair).tile_count == 0
    result = encoded("<OD>", min_score=0)
    assert max(region.bounds.x2 for region in result.regions) > image.width
    label = result.regions[0].label
    count = sum(region.label == label for region in result.regions)
    few = model(pair, "<OD>", tiles="2x1", labels=[label.upper()], min_score=0)
    assert [region.label for region in few.regions] == [label] * count
    # Objects in tiles are more likely right than wrong, unless others are asked for.
    assert all(region.score >= 0.5 for region in encoded("<OD>").regions)
    assert min(region.score for region in result.regions) < 0.5
    assert not model(pair, "<OD>", tiles="2x1", labels=[label], min_score=0.9999).regions
    detections = result.to_supervision(["nothing", label])
    assert set(detections.class_id) == {1} and len(detections) == len(few.regions)
    with pytest.raises(uffizi.ArgumentError):
        model.encode(pair, tiles="huge")
