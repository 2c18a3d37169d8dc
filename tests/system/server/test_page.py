"""The page at /, in headless Chromium. UFFIZI_SCREENSHOTS names a folder to keep pictures of it in."""

import base64
import json
import os
import pathlib

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from conftest import SAMPLES, SLOW, command_line, same

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def open_page(browser, server, **options):
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.on(
        "console",
        lambda message: page.mistakes.append(message.text) if message.type == "error" else None,
    )
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(server.url + "/")
    return page


@pytest.fixture
def page(browser, server):
    page = open_page(browser, server, viewport={"width": 1280, "height": 900})
    expect(page.get_by_role("radio")).to_have_count(16)
    yield page
    assert page.mistakes == []
    outside = [url for url in page.requests if not url.startswith((server.url, "blob:", "data:"))]
    assert outside == []
    page.context.close()


def shoot(page, name):
    folder = os.environ.get("UFFIZI_SCREENSHOTS")
    if folder:
        page.screenshot(path=pathlib.Path(folder) / f"{name}.png", full_page=True)


def choose_sample(page, name):
    page.get_by_role("button", name=f"Sample: {name}").click()
    expect(page.locator("#picture")).to_have_attribute("alt", f"{name}.jpg")


def choose_task(page, name):
    page.get_by_role("radio", name=name, exact=True).check()


def ask(page):
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#downloads")).to_be_visible()


def downloaded(page, button, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_objects(page, tmp_path):
    choose_sample(page, "shop")
    choose_task(page, "Objects")
    ask(page)
    shoot(page, "objects")
    expected = command_line([SAMPLES / "shop.jpg"], "--task", "od")[0]
    labels = expected["result"]["labels"]
    assert labels
    assert page.locator("#regions b").all_text_contents() == labels
    shapes = page.locator("#overlay g.region")
    expect(shapes).to_have_count(len(labels))
    # Each box stands where the answer says, in the picture's own pixels.
    x1, y1, x2, y2 = expected["result"]["bboxes"][0]
    box = page.evaluate(
        "(() => { const b = document.querySelector('#overlay .shape').getBBox();"
        " return [b.x, b.y, b.x + b.width, b.y + b.height]; })()"
    )
    assert box == pytest.approx([x1, y1, x2, y2], abs=0.01)
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
    expect(shapes.locator("xpath=self::*[@data-index='1']")).to_have_class("region lit")
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
            page.get_by_label("Text", exact=True).and_(page.get_by_role("textbox")).fill(
                INPUTS[name]
            )
        if page.locator("#region-field").is_visible():
            for corner, value in zip(("x1", "y1", "x2", "y2"), (20, 90, 190, 240)):
                page.get_by_label(corner).fill(str(value))
        ask(page)
        expect(page.locator("#error")).to_be_hidden()
        expect(page.locator("#raw-text")).not_to_be_empty()
        shoot(page, "task-" + name.replace(" ", "-").lower())


def test_phrases_are_linked(page):
    choose_sample(page, "shop")
    choose_task(page, "Phrases of a caption")
    page.locator("#text").fill("a hamburger and a boat")
    page.keyboard.press("Enter")
    expect(page.locator("#downloads")).to_be_visible()
    marks = page.locator("#answer-text mark")
    assert marks.count() >= 1
    marks.first.hover()
    index = marks.first.get_attribute("data-index")
    expect(page.locator(f"#overlay g.region[data-index='{index}']")).to_have_class("region lit")


def test_region_by_mouse(page):
    choose_sample(page, "shop")
    choose_task(page, "Category")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("drag over the picture")
    frame = page.locator("#picture").bounding_box()
    width = page.evaluate("document.getElementById('picture').naturalWidth")
    scale = frame["width"] / width
    page.mouse.move(frame["x"] + 31 * scale, frame["y"] + 95 * scale)
    page.mouse.down()
    page.mouse.move(frame["x"] + 120 * scale, frame["y"] + 150 * scale, steps=4)
    page.mouse.move(frame["x"] + 186 * scale, frame["y"] + 226 * scale, steps=4)
    page.mouse.up()
    corners = [
        float(page.locator(f"#{corner}").input_value()) for corner in ("x1", "y1", "x2", "y2")
    ]
    assert corners == pytest.approx([31, 95, 186, 226], abs=2)
    ask(page)
    shoot(page, "region")
    region = ",".join(f"{corner:g}" for corner in corners)
    expected = command_line(
        [SAMPLES / "shop.jpg"], "--task", "region_to_category", "--region", region
    )[0]
    assert page.locator("#answer-text").text_content() == expected["result"]


def test_tokens_come_and_stop_stops(page, server):
    choose_sample(page, "village")
    page.evaluate("""() => {
      window.seen = new Set();
      new MutationObserver(() => seen.add(document.getElementById('answer-text').textContent))
          .observe(document.getElementById('answer-text'), {childList: true, subtree: true});
    }""")
    choose_task(page, "Paragraph")
    page.get_by_text("Search options").click()
    page.get_by_label("Beams").fill("1")
    ask(page)
    assert page.evaluate("window.seen.size") > 3
    # A long answer is broken off, and its slot is free.
    page.evaluate(
        """(slow) => {
      const append = FormData.prototype.append;
      FormData.prototype.append = function (name, value, ...rest) {
        return append.call(this, name, name === 'options' ? slow : value, ...rest);
      };
    }""",
        json.dumps(SLOW),
    )
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer-text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped")
    server.wait_for("uffizi_active_requests", 1)


def test_files_by_picker_drop_and_paste(page, tmp_path):
    page.locator("#file").set_input_files(SAMPLES / "aquarium.png")
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
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    page.locator("#file").set_input_files(broken)
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg")


def test_keyboard_alone(page):
    """From the top of the page to an answer and through its regions, without a mouse."""
    focused = "document.activeElement.matches(%r)"

    def tab_to(selector):
        for _ in range(40):
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
    tab_to("#save-json")


def test_names_and_contrast(page):
    """Every control has a name, and text stands out from its ground (WCAG 2.2 AA: 4.5 to 1)."""
    choose_sample(page, "shop")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        ask(page)
        shoot(page, scheme)
        weak = page.evaluate("""() => {
          const rgb = (color) => color.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
              .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
              .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = (element) => {
            for (; element; element = element.parentElement) {
              const color = rgb(getComputedStyle(element).backgroundColor);
              if (color.length === 3 || color[3] === 1) return color;
            }
          };
          const weak = [];
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const element = walker.currentNode.parentElement;
            if (!walker.currentNode.data.trim() || element.closest('svg, script') || !element.checkVisibility()) continue;
            const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            if (ratio < 4.5) weak.push([walker.currentNode.data.trim(), ratio]);
          }
          return weak;
        }""")
        assert weak == []
    nameless = page.evaluate("""() => [...document.querySelectorAll('button, input, a, select, textarea')]
        .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length
                         || e.querySelector('img[alt]:not([alt=""])'))).map((e) => e.outerHTML)""")
    assert nameless == []


def test_phone(browser, server):
    page = open_page(
        browser,
        server,
        viewport={"width": 390, "height": 800},
        has_touch=True,
        is_mobile=True,
        device_scale_factor=2,
    )
    expect(page.get_by_role("radio")).to_have_count(16)
    page.get_by_role("button", name="Sample: village").tap()
    page.get_by_role("radio", name="Text with places").check()
    ask(page)
    shoot(page, "phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.mistakes == []
    page.context.close()


def test_api_key(browser, serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    page = open_page(browser, server)
    page.get_by_label("API key of this server").fill("secret")
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio")).to_have_count(16)
    choose_sample(page, "meadow")
    ask(page)
    page.context.close()
