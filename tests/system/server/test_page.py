"""The page at /, in headless Chromium: one picture, one question, an answer."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from conftest import SAMPLES, command_line, same
from page_driver import (
    ask,
    ask_slowly,
    box_of,
    choose_sample,
    choose_task,
    choose_tasks,
    downloaded,
    drag,
    record_texts,
    region,
    shapes,
    shoot,
)


def test_objects(page, tmp_path):
    choose_sample(page, "shop")
    choose_task(page, "Objects")
    ask(page)
    shoot(page, "objects")
    expected = command_line([SAMPLES / "shop.jpg"], "--task", "od")[0]
    labels = expected["result"]["labels"]
    assert labels
    assert page.locator("#regions b").all_text_contents() == labels
    expect(shapes(page)).to_have_count(len(labels))
    assert box_of(page, 0) == pytest.approx(expected["result"]["bboxes"][0], abs=0.01)
    # The overlay lies exactly over the picture.
    picture, overlay = (
        page.locator("#picture").bounding_box(),
        page.locator("#overlay").bounding_box(),
    )
    assert [picture[k] for k in ("x", "y", "width", "height")] == pytest.approx(
        [overlay[k] for k in ("x", "y", "width", "height")], abs=1
    )
    # Hovering links the list and the picture, both ways.
    page.locator("#regions button").nth(1).hover()
    expect(page.locator("#overlay g.lit")).to_have_attribute("data-index", "1")
    page.mouse.move(5, 5)
    page.locator("#overlay g.region[data-index='0'] .shape").hover(position={"x": 20, "y": 30})
    expect(page.locator("#regions button").nth(0)).to_have_class("lit")
    shoot(page, "hover")
    expect(page.locator("#timings")).to_contain_text("vision encoder")
    record = json.loads(downloaded(page, "Download JSON", tmp_path).read_text())
    assert same(record, expected)
    path = downloaded(page, "Download PNG", tmp_path)
    assert path.name == "shop.od.png"
    with Image.open(path) as drawn, Image.open(SAMPLES / "shop.jpg") as original:
        assert drawn.size == original.size and drawn.convert("RGB").tobytes() != original.tobytes()


INPUTS = {
    "Phrases of a caption": "a hamburger and a boat",
    "Things you name": "boat; mushroom",
    "Outline of a phrase": "the boat",
    "Prompt of your own": "<CAPTION>",
}


def test_every_task(page):
    choose_sample(page, "shop")
    names = page.locator("#tasks label span").all_text_contents()
    assert len(names) == 16
    for name in names:
        choose_task(page, name)
        if name in INPUTS:
            page.get_by_role("textbox", name="Text", exact=True).fill(INPUTS[name])
        if page.locator("#region-field").is_visible():
            for corner, value in zip(("x1", "y1", "x2", "y2"), (20, 90, 190, 240)):
                page.get_by_label(corner, exact=True).fill(str(value))
        ask(page)
        expect(page.locator("#error")).to_be_hidden()
        expect(page.locator("#answer-title")).to_have_text(name)
        expect(page.locator("#raw-text")).not_to_be_empty()
        shoot(page, "task-" + name.replace(" ", "-").lower())
    assert page.locator(".tile").count() == 16


def test_what_is_missing_is_said(page):
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a picture")
    choose_sample(page, "shop")
    choose_task(page, "Things you name")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("needs a text")
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_be_focused()


def test_phrases_are_linked(page):
    choose_sample(page, "shop")
    choose_task(page, "Phrases of a caption")
    page.get_by_role("textbox", name="Text", exact=True).fill("a hamburger and a boat")
    page.keyboard.press("Enter")
    expect(page.locator("#downloads")).to_be_visible()
    marks = page.locator("#answer-text mark")
    assert marks.count() >= 1
    marks.first.hover()
    index = marks.first.get_attribute("data-index")
    expect(page.locator("#overlay g.lit")).to_have_attribute("data-index", index)


def test_region_by_mouse(page):
    choose_sample(page, "shop")
    choose_task(page, "Category")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("drag over the picture")
    drag(page, (31, 95), (186, 226))
    corners = region(page)
    assert corners == pytest.approx([31, 95, 186, 226], abs=2)
    ask(page)
    shoot(page, "region")
    expected = command_line(
        [SAMPLES / "shop.jpg"],
        "--task",
        "region_to_category",
        "--region",
        ",".join(f"{corner:g}" for corner in corners),
    )[0]
    assert page.locator("#answer-text").text_content() == expected["result"]


def test_locations_of_prompts_are_drawn(page):
    """A prompt that is no task of its own, with places in its answer and in itself."""
    choose_sample(page, "shop")
    choose_task(page, "Prompt of your own")
    text = page.get_by_role("textbox", name="Text", exact=True)
    text.fill("Locate the objects with category name in the image.")
    ask(page)
    expected = command_line([SAMPLES / "shop.jpg"], "--task", "od")[0]["result"]
    assert page.locator("#regions b").all_text_contents() == expected["labels"]
    for index, box in enumerate(expected["bboxes"]):
        assert box_of(page, index) == pytest.approx(box, abs=0.01)
    text.fill("What does the region <loc_100><loc_200><loc_500><loc_600> describe?")
    wanted = page.evaluate(
        "(() => { const b = document.querySelector('#overlay .wanted').getBBox();"
        " return [b.x, b.y, b.x + b.width, b.y + b.height]; })()"
    )
    with Image.open(SAMPLES / "shop.jpg") as shop:
        width, height = shop.size
    assert wanted == pytest.approx(
        [0.1005 * width, 0.2005 * height, 0.5005 * width, 0.6005 * height], abs=0.1
    )


def test_tokens_come_and_stop_stops(page, server):
    choose_sample(page, "village")
    record_texts(page, "#answer-text")
    choose_task(page, "Paragraph")
    ask_slowly(page)
    page.get_by_role("button", name="Ask").click()
    page.wait_for_function("() => window.seen.length > 3")
    # A long answer is broken off, and its slot is free.
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_have_text("Stopped")
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()
    server.wait_for("uffizi_active_requests", 1)


def test_keyboard_alone(page):
    """From the top of the page to an answer and through its regions, without a mouse."""
    focused = "document.activeElement.matches(%r)"

    def tab_to(selector):
        for _ in range(60):
            if page.evaluate(focused % selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(selector + " is out of reach")

    tab_to("#samples button")
    page.keyboard.press("Enter")
    expect(page.locator("#picture")).to_have_attribute("alt", "penguins.jpg")
    tab_to("input[name=task]")
    page.keyboard.press("ArrowRight")
    tab_to("#ask")
    page.keyboard.press("Enter")
    expect(page.locator("#downloads")).to_be_visible()
    tab_to("#regions button")
    expect(page.locator("#overlay g.lit")).to_have_count(1)
    tab_to("#save-json")
    tab_to(".tile")


def complaints(page):
    """What axe finds: WCAG and best practice."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]


def test_axe_finds_nothing(page, open_page, server):
    assert complaints(page) == []
    choose_sample(page, "shop")
    choose_tasks(page, "Objects", "Caption", "Things you name", "Category")
    page.get_by_role("textbox").first.fill("boat; mushroom")
    drag(page, (31, 95), (186, 226))
    ask(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shoot(page, scheme)
        assert complaints(page) == []
    page.get_by_role("button", name="JSON", exact=True).click()
    page.get_by_text("Search options").click()
    assert complaints(page) == []
    docs = open_page(server, "/docs", viewport={"width": 1280, "height": 900})
    expect(docs.locator("section").first).to_be_visible()
    assert complaints(docs) == []


def test_forced_colours(page):
    """What is chosen stands out, and the shapes keep their colours."""
    choose_sample(page, "shop")
    ask(page)
    colour = "(e) => getComputedStyle(e).%s"
    stroke = page.locator("#overlay .shape").first.evaluate(colour % "stroke")
    page.emulate_media(forced_colors="active")
    shoot(page, "forced-colours")
    chips = page.locator(".chips span")
    chosen = page.locator(".chips input:checked + span")
    assert chosen.evaluate(colour % "backgroundColor") != chips.first.evaluate(
        colour % "backgroundColor"
    )
    assert page.locator("#overlay .shape").first.evaluate(colour % "stroke") == stroke
    swatch = page.locator("#regions i").first
    assert swatch.evaluate(colour % "backgroundColor") == stroke


def test_phone(open_page, server):
    page = open_page(
        server,
        viewport={"width": 390, "height": 800},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    expect(page.get_by_role("radio")).to_have_count(16)
    page.get_by_role("button", name="Sample: shop").tap()
    expect(page.locator("#picture")).to_have_attribute("alt", "shop.jpg")
    page.get_by_role("button", name="Ask").tap()
    expect(page.locator("#downloads")).to_be_visible()
    shoot(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # The boxes stay in view while their list is read, and are brought out from there.
    last = page.locator("#regions button").last
    last.scroll_into_view_if_needed()
    last.tap()
    expect(page.locator("#overlay g.lit")).to_have_count(1)
    stage = page.locator("#stage").bounding_box()
    assert stage["y"] >= -1 and stage["y"] + stage["height"] <= 800
    item = last.bounding_box()
    assert stage["y"] + stage["height"] <= item["y"] + 1 and item["y"] + item["height"] <= 801
    assert complaints(page) == []


def test_api_key(open_page, serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    page = open_page(server, refusals=True)
    page.get_by_label("API key of this server").fill("secret")
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio")).to_have_count(16)
    choose_sample(page, "meadow")
    ask(page)
    page.get_by_role("button", name="curl", exact=True).click()
    expect(page.locator("#code")).to_contain_text("Authorization: Bearer $UFFIZI_API_KEY")
