"""The page: pictures of all kinds, several of them, and looking closer."""

import base64
import io
import json

import pytest
from PIL import Image
from playwright.sync_api import expect

from conftest import SAMPLES, SOURCE, command_line, same
from page_driver import (
    ask,
    box_of,
    choose_sample,
    choose_task,
    choose_tasks,
    downloaded,
    drag,
    region,
    shapes,
    shoot,
)


def add_files(page, *paths):
    page.locator("#file").set_input_files(list(paths))


def test_files_by_picker_drop_and_paste(open_page, server, tmp_path):
    page = open_page(server, refusals=True)
    expect(page.get_by_role("radio")).to_have_count(16)
    add_files(page, SAMPLES / "aquarium.png")
    expect(page.locator("#picture")).to_have_attribute("alt", "aquarium.png")
    data = base64.b64encode((SAMPLES / "stripes.jpg").read_bytes()).decode()
    for event, field, name in [
        ("drop", "dataTransfer", "dropped.jpg"),
        ("paste", "clipboardData", "pasted.jpg"),
    ]:
        page.evaluate(
            """([event, field, name, data]) => {
          const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, {type: 'image/jpeg'}));
          const kind = event === 'drop' ? DragEvent : ClipboardEvent;
          dispatchEvent(new kind(event, {[field]: transfer, bubbles: true, cancelable: true}));
        }""",
            [event, field, name, data],
        )
        expect(page.locator("#picture")).to_have_attribute("alt", name)
    ask(page)
    for name, content in [("broken.jpg", b"not a picture"), ("notes.txt", b"words")]:
        (tmp_path / name).write_bytes(content)
    add_files(page, tmp_path / "broken.jpg")
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg")
    add_files(page, tmp_path / "notes.txt")
    expect(page.get_by_role("alert")).to_have_text("notes.txt is not a picture file.")
    # What was there is there still.
    expect(page.locator("#picture")).to_have_attribute("alt", "pasted.jpg")


def test_pictures_and_tasks_side_by_side(page, tmp_path):
    add_files(page, SAMPLES / "shop.jpg", SAMPLES / "village.jpg")
    tray = page.get_by_role("list", name="Pictures to ask about")
    expect(tray.get_by_role("listitem")).to_have_count(2)
    choose_sample_beside(page, "space")
    expect(tray.get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Remove space.jpg").click()
    choose_tasks(page, "Objects", "Caption")
    page.get_by_role("button", name="Ask about 2 pictures").click()
    expect(page.locator("#status")).to_contain_text("Answered")
    shoot(page, "side-by-side")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(4)
    for number, name in enumerate(["shop.jpg", "village.jpg"]):
        caption, objects = command_line([SAMPLES / name], "--task", "caption", "--task", "od")
        assert tiles.nth(2 * number).locator(".tile-text").text_content() == caption["result"]
        drawn = tiles.nth(2 * number + 1).locator("svg .shape")
        assert drawn.count() == len(objects["result"]["labels"])
    # A tile brings its answer beside its picture; the other answer is a press away.
    tiles.nth(3).click()
    expect(page.locator("#picture")).to_have_attribute("alt", "village.jpg")
    assert page.locator("#regions b").all_text_contents() == objects["result"]["labels"]
    page.get_by_role("group", name="Answers about this picture").get_by_text("Caption").click()
    expect(page.locator("#answer-text")).to_have_text(caption["result"])
    # All of them as the command line writes them.
    lines = downloaded(page, "Save JSON lines", tmp_path).read_text().splitlines()
    assert [json.loads(line)["task"] for line in lines] == ["<CAPTION>", "<OD>"] * 2
    assert same(json.loads(lines[3]), objects)
    tray.get_by_role("button", name="shop.jpg", exact=True).click()
    expect(page.locator("#picture")).to_have_attribute("alt", "shop.jpg")


def choose_sample_beside(page, name):
    page.get_by_role("button", name=f"Sample: {name}").click(modifiers=["Shift"])


def test_a_region_of_pictures_of_different_sizes(page, tmp_path):
    with Image.open(SAMPLES / "shop.jpg") as shop:
        shop.resize((shop.width * 2, shop.height * 2)).save(tmp_path / "large.png")
    add_files(page, SAMPLES / "shop.jpg", tmp_path / "large.png")
    expect(page.locator("#tray li")).to_have_count(2)
    choose_task(page, "Description")
    drag(page, (30, 95), (186, 226))
    corners = region(page)
    with page.expect_request("**/v1/annotate") as first:
        page.get_by_role("button", name="Ask about 2 pictures").click()
    assert first.value
    expect(page.locator("#status")).to_contain_text("Answered")
    page.locator(".tile").nth(1).click()
    page.get_by_role("button", name="curl", exact=True).click()
    doubled = ",".join(f"{2 * corner:g}" for corner in corners)
    expect(page.locator("#code")).to_contain_text(f"region={doubled}")


def test_zoom_and_pan(page):
    choose_sample(page, "shop")
    frame = page.locator("#frame")
    fitted = frame.bounding_box()
    stage = page.locator("#stage").bounding_box()
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    width = lambda: frame.bounding_box()["width"]
    page.get_by_role("button", name="Zoom in").click()
    assert width() == pytest.approx(1.5 * fitted["width"], rel=0.01)
    # What is in the middle stays there, and a drag moves the picture with the mouse.
    left = frame.bounding_box()["x"]
    assert left == pytest.approx(middle[0] - 0.75 * fitted["width"], abs=2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1], steps=4)
    page.mouse.up()
    assert frame.bounding_box()["x"] == pytest.approx(left + 40, abs=2)
    # The picture stays in the stage however far it is dragged.
    page.mouse.down()
    page.mouse.move(middle[0] + 3000, middle[1], steps=4)
    page.mouse.up()
    assert frame.bounding_box()["x"] == pytest.approx(stage["x"], abs=2)
    # Keys and the wheel.
    page.locator("#stage").focus()
    page.keyboard.press("0")
    assert width() == pytest.approx(fitted["width"], abs=1)
    page.keyboard.press("+")
    assert width() > fitted["width"]
    page.keyboard.press("0")
    page.mouse.move(*middle)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function(
        "(least) => document.getElementById('frame').offsetWidth > least",
        arg=1.5 * fitted["width"],
    )
    # Regions are drawn in the picture's pixels, however near it is; labels keep their size.
    choose_task(page, "Category")
    page.get_by_role("button", name="Fit", exact=True).click()
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
    drag(page, (250, 140), (320, 200))
    assert region(page) == pytest.approx([250, 140, 320, 200], abs=2)
    choose_task(page, "Objects")
    ask(page)
    tag = page.locator("#overlay .tag rect").first
    near = tag.bounding_box()["height"]
    page.get_by_role("button", name="Fit", exact=True).click()
    assert tag.bounding_box()["height"] == pytest.approx(near, abs=0.5)


def test_two_fingers_zoom(open_page, server):
    page = open_page(server, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Sample: shop").tap()
    expect(page.locator("#picture")).to_have_attribute("alt", "shop.jpg")
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    fitted = page.locator("#frame").bounding_box()["width"]
    session = page.context.new_cdp_session(page)

    def touch(kind, apart):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": points if kind != "touchEnd" else []},
        )

    touch("touchStart", 40)
    for apart in range(50, 130, 10):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    zoomed = page.locator("#frame").bounding_box()
    assert zoomed["width"] == pytest.approx(3 * fitted, rel=0.1)
    assert zoomed["x"] + zoomed["width"] / 2 == pytest.approx(x, abs=15)


def test_what_the_browser_cannot_show(page, tmp_path):
    """A large TIFF of two pages comes through the server, and answers stay in its own pixels."""
    with Image.open(SAMPLES / "shop.jpg") as shop, Image.open(SAMPLES / "village.jpg") as village:
        size = (shop.width * 5, shop.height * 5)
        pages = [shop.resize(size), village.resize(size)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:], compression="jpeg")
    add_files(page, tmp_path / "scan.tif")
    expect(page.locator("#picture")).to_have_attribute("alt", "scan.tif")
    shown = page.evaluate("document.getElementById('picture').naturalWidth")
    assert shown == 2048 < size[0]
    expect(page.locator("#page-count")).to_have_text("of 2")
    ask(page)
    shoot(page, "tiff")
    for number in (1, 2):
        if number == 2:
            page.get_by_label("Page").fill("2")
            page.keyboard.press("Tab")
            expect(page.locator("#answer")).to_be_hidden()
            ask(page)
        expected = command_line([tmp_path / "scan.tif"], "--task", "od", "--pages", str(number))[0][
            "result"
        ]
        expect(shapes(page)).to_have_count(len(expected["labels"]))
        assert page.locator("#regions b").all_text_contents() == expected["labels"]
        assert box_of(page, 0) == pytest.approx(expected["bboxes"][0], abs=0.1)


@pytest.mark.parametrize("name", ["two_pages.pdf", "several.heic"])
def test_documents_and_what_phones_send(page, name):
    """Chromium shows neither as a picture."""
    file = SOURCE / "tests" / "data" / "formats" / name
    add_files(page, file)
    expect(page.locator("#picture")).to_have_attribute("alt", file.name)
    assert page.evaluate("document.getElementById('picture').naturalWidth") > 0
    assert [url for url in page.requests if url.endswith("/v1/thumbnail")]
    ask(page)
    expected = command_line([file], "--task", "od")[0]["result"]
    expect(shapes(page)).to_have_count(len(expected["labels"]))
    assert page.locator("#regions b").all_text_contents() == expected["labels"]


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_of_what_moves_the_frame_that_is_asked_about(page, tmp_path, kind):
    file = tmp_path / f"a.{kind}"
    frames = [Image.new("RGB", (80, 60), color) for color in ("red", "blue")]
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=20)
    add_files(page, file)
    expect(page.locator("#picture")).to_have_attribute("alt", file.name)
    pixel = """() => {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 1;
      canvas.getContext('2d').drawImage(document.getElementById('picture'), 0, 0, 1, 1);
      return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data];
    }"""
    red, _, blue, _ = page.evaluate(pixel)
    assert red > 200 and blue < 50
    if kind == "png":  # of which the first frame is read
        assert [url for url in page.requests if url.endswith("/v1/thumbnail")]
        return
    expect(page.locator("#page-count")).to_have_text("of 2")
    page.get_by_label("Page").fill("2")
    page.keyboard.press("Tab")
    page.wait_for_function(f"() => ({pixel})()[2] > 200")


def test_size_is_checked_before_the_upload(open_page, serve, tmp_path):
    server = serve("--max-body", "1", "--max-pixels", "200000")
    page = open_page(server)
    expect(page.get_by_role("radio")).to_have_count(16)
    (tmp_path / "large.jpg").write_bytes((SAMPLES / "shop.jpg").read_bytes() + bytes(1 << 20))
    add_files(page, tmp_path / "large.jpg")
    expect(page.get_by_role("alert")).to_contain_text("large.jpg has 1.0 MB")
    data = io.BytesIO()
    Image.new("RGB", (1000, 500)).save(data, "PNG")
    (tmp_path / "wide.png").write_bytes(data.getvalue())
    add_files(page, tmp_path / "wide.png")
    expect(page.get_by_role("alert")).to_contain_text("wide.png has 0.5 million pixels")
    assert not [url for url in page.requests if url.endswith(("/annotate", "/thumbnail"))]
    # Of several, those that can be are taken.
    add_files(page, tmp_path / "wide.png", SAMPLES / "shop.jpg")
    expect(page.locator("#picture")).to_have_attribute("alt", "shop.jpg")
    expect(page.get_by_role("alert")).to_contain_text("wide.png")
