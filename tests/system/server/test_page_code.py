"""The page: answers as code and text to take along; and the page of the API."""

import ast
import json
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

from conftest import SAMPLES, SOURCE, command_line
from page_driver import ask, choose_sample, choose_task, choose_tasks, code, drag, shoot


QUESTIONS = {
    "Objects": ("od", ""),
    "Things you name": ("open_vocabulary_detection", 'boat; the "red" mushroom\'s'),
    "Prompt of your own": ("", "<CAPTION_TO_PHRASE_GROUNDING>a boat & it's $HOME"),
}


@pytest.mark.parametrize("task", QUESTIONS)
def test_code_asks_the_same_again(page, tmp_path, task):
    """`curl` and Python, run as they stand, give what the page shows."""
    shutil.copy(SAMPLES / "shop.jpg", tmp_path)
    name, text = QUESTIONS[task]
    choose_sample(page, "shop")
    choose_task(page, task)
    if text:
        page.get_by_role("textbox", name="Text", exact=True).fill(text)
    page.get_by_text("Search options").click()
    page.get_by_label("Beams").fill("2")
    page.get_by_label("Tokens at most").fill("60")
    ask(page)
    record = json.loads(code(page, "JSON"))
    if not name:
        assert record["prompt"]
    assert (record["width"], record["height"]) == Image.open(SAMPLES / "shop.jpg").size
    ran = subprocess.run(
        code(page, "curl"), shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    again = json.loads(ran.stdout)["results"][0]
    assert {**again, "timings": 0} == {**record, "timings": 0}
    ran = subprocess.run(
        [sys.executable, "-c", code(page, "HTTP")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == record["result"]
    package, spark = code(page, "Python"), code(page, "Spark")
    compile(package, "python", "exec")
    compile(spark, "spark", "exec")
    assert "num_beams=2, max_length=61" in package
    assert ".setBeamSize(2)" in spark and ".setMaxOutputLength(61)" in spark


SEARCH = {
    "Tokens at most": "60",
    "Length penalty": "1.5",
    "No repeated n-grams": "2",
    "temperature": "0.8",
    "Seed": "7",
}


def test_code_uses_what_there_is(page):
    """All options in the Python package's words and in the Spark stage's."""
    choose_sample(page, "shop")
    choose_task(page, "Description")
    drag(page, (20, 90), (190, 240))
    page.get_by_text("Search options").click()
    for label, value in SEARCH.items():
        page.get_by_label(label).fill(value)
    ask(page)
    python = SOURCE / "bindings" / "python" / "src" / "uffizi"
    call = ast.parse(code(page, "Python")).body[2].value
    named = {keyword.arg for keyword in call.keywords}
    options = ast.parse((python / "_generation.py").read_text())
    known = {node.target.id for node in ast.walk(options) if isinstance(node, ast.AnnAssign)}
    assert named - known == {"region"} and len(named) == 7
    setters = re.findall(r"\.set(\w+)\(", code(page, "Spark"))
    stage = (python / "spark" / "_florence2.py").read_text()
    assert len(setters) == 8  # the two columns included
    for name in set(setters) - {"InputCols"}:
        assert re.search(rf"^    {name[0].lower()}{name[1:]} = param\(", stage, re.MULTILINE), name


def test_copy(open_page, server):
    page = open_page(server, permissions=["clipboard-read", "clipboard-write"])
    choose_sample(page, "shop")
    choose_tasks(page, "Caption", "Objects")
    ask(page)
    caption, objects = command_line([SAMPLES / "shop.jpg"], "--task", "caption", "--task", "od")
    clipboard = lambda: page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#copied")).to_have_text("Copied")
    assert clipboard() == caption["result"]
    page.locator("#together").get_by_text("Objects").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#copied")).to_have_text("Copied")
    lines = [line.split("\t") for line in clipboard().splitlines()]
    assert [line[0] for line in lines] == objects["result"]["labels"]
    # Pages that came without HTTPS from elsewhere may only copy the older way.
    page.evaluate("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page.locator("#together").get_by_text("Caption").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#copied")).to_have_text("Copied")
    assert clipboard() == caption["result"]
    x1, y1, *_ = map(float, lines[0][-1].split())
    assert [x1, y1] == pytest.approx(objects["result"]["bboxes"][0][:2], abs=0.06)


def test_the_api_as_a_page(open_page, server):
    page = open_page(server, "/docs", viewport={"width": 1280, "height": 900})
    document = server.client.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            section = page.locator(f"#{operation['operationId']}")
            expect(section.locator("h2")).to_have_text(f"{method.upper()} {path}")
            expect(section).to_contain_text(operation["summary"])
            for status in operation["responses"]:
                expect(section.locator(".status", has_text=status)).to_have_count(1)
    fields = document["components"]["schemas"]["SearchOptions"]["properties"]
    rows = page.locator("#schema-SearchOptions tbody tr")
    assert rows.count() == len(fields)
    expect(rows.first).to_contain_text("1 to 16")
    shoot(page, "docs")
    # A link leads to its schema, and the command works as it stands.
    page.locator("#annotate").get_by_role("link", name="Question").first.click()
    expect(page.locator("#schema-Question")).to_be_in_viewport()
    command = page.get_by_role("group", name="curl for /v1/annotate").text_content()
    ran = subprocess.run(
        command.replace("photo.jpg", "shop.jpg"),
        shell=True,
        cwd=SAMPLES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(ran.stdout)["results"]) == 2
