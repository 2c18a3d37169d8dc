"""What a person does with the page at /, as calls."""

import json
import os
import pathlib

from playwright.sync_api import expect

from conftest import SLOW


def shoot(page, name):
    """Keeps a picture of the page in the folder that UFFIZI_SCREENSHOTS names."""
    folder = os.environ.get("UFFIZI_SCREENSHOTS")
    if folder:
        page.screenshot(path=pathlib.Path(folder) / f"{name}.png", full_page=True)


def choose_sample(page, name):
    page.get_by_role("button", name=f"Sample: {name}").click()
    expect(page.locator("#picture")).to_have_attribute("alt", f"{name}.jpg")


def choose_task(page, name):
    page.get_by_role("radio", name=name, exact=True).check()


def choose_tasks(page, *names):
    """These alone, at once."""
    several = page.get_by_role("checkbox", name="Several at once")
    several.uncheck()
    choose_task(page, names[0])
    several.check()
    for name in names[1:]:
        page.get_by_role("checkbox", name=name, exact=True).check()


def ask(page):
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#status")).to_contain_text("Answered")
    expect(page.locator("#downloads")).to_be_visible()


def ask_slowly(page, **options):
    """What is asked from here on takes long."""
    page.evaluate(
        """(slow) => {
          const append = FormData.prototype.append;
          FormData.prototype.append = function (name, value, ...rest) {
            if (name === 'stream') append.call(this, 'options', slow);
            if (name !== 'options') append.call(this, name, value, ...rest);
          };
        }""",
        json.dumps(SLOW | options),
    )


def code(page, view):
    """The answer in another form."""
    page.get_by_role("button", name=view, exact=True).click()
    return page.locator("#code").text_content()


def shapes(page):
    """The regions over the picture."""
    return page.locator("#overlay g.region")


def box_of(page, index):
    """Where a region's shape lies, in the picture's own pixels."""
    return page.evaluate(
        """(index) => {
          const box = document.querySelector(`#overlay g[data-index="${index}"] .shape`).getBBox();
          return [box.x, box.y, box.x + box.width, box.y + box.height];
        }""",
        index,
    )


def downloaded(page, button, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def drag(page, start, end):
    """Over the picture, from one of its own pixels to another."""
    frame = page.locator("#frame").bounding_box()
    scale = frame["width"] / page.evaluate(
        "document.querySelector('#overlay').viewBox.baseVal.width"
    )
    (x1, y1), (x2, y2) = ((frame["x"] + x * scale, frame["y"] + y * scale) for x, y in (start, end))
    page.mouse.move(x1, y1)
    page.mouse.down()
    page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2, steps=4)
    page.mouse.move(x2, y2, steps=4)
    page.mouse.up()


def record_texts(page, selector):
    """From here on, keeps what an element says in window.seen."""
    page.evaluate(
        """(selector) => {
          const element = document.querySelector(selector);
          window.seen = [];
          const note = () => {
            if (seen.at(-1) !== element.textContent) seen.push(element.textContent);
          };
          new MutationObserver(note).observe(element, {childList: true, subtree: true, characterData: true});
        }""",
        selector,
    )


def region(page):
    return [float(page.locator(f"#{corner}").input_value()) for corner in ("x1", "y1", "x2", "y2")]
