"""The page: what can be done with answers, and what it does while they come, or do not."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image
from playwright.sync_api import expect

from conftest import SAMPLES, SLOW, command_line
from page_driver import (
    ask,
    ask_slowly,
    choose_sample,
    choose_task,
    choose_tasks,
    downloaded,
    record_texts,
    shapes,
    shoot,
)


def code(page, view):
    page.get_by_role("button", name=view, exact=True).click()
    return page.locator("#code").text_content()


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


def test_a_link_carries_tasks_and_options(page, open_page, server):
    choose_sample(page, "shop")
    choose_tasks(page, "Caption", "Things you name")
    page.get_by_role("textbox").first.fill("boat & mushroom; café")
    page.get_by_text("Search options").click()
    page.get_by_label("Beams").fill("2")
    page.get_by_label("Tiles").select_option("2x2")
    link = page.url
    other = open_page(server, link.removeprefix(server.url))
    expect(other.locator("#picture")).to_have_attribute("alt", "shop.jpg")
    assert other.locator("#tasks input:checked + span").all_text_contents() == [
        "Caption",
        "Things you name",
    ]
    expect(other.get_by_role("textbox").first).to_have_value("boat & mushroom; café")
    expect(other.get_by_label("Beams")).to_have_value("2")
    expect(other.get_by_label("Tiles")).to_have_value("2x2")
    assert other.url == link
    ask(other)
    expect(other.locator(".tile")).to_have_count(2)


def wait_until_kept(page, count):
    """Answers are written to the browser's store after they are shown."""
    page.wait_for_function(
        """(count) => new Promise((resolve) => {
          const opening = indexedDB.open('uffizi');
          opening.onsuccess = () => {
            const request = opening.result.transaction('answers').objectStore('answers').count();
            request.onsuccess = () => {
              opening.result.close();
              resolve(request.result === count);
            };
          };
        })""",
        arg=count,
    )


def test_several_models(open_page, serve):
    """Where the server has more than one, the page asks which; links and code carry it."""
    page = open_page(serve("--any-model-name"))
    models = {"object": "list", "data": [{"id": "small"}, {"id": "large"}]}
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    page.reload()
    page.get_by_label("Model").select_option("large")
    choose_sample(page, "shop")
    with page.expect_request("**/v1/annotate") as asked:
        ask(page)
    assert b'name="model"\r\n\r\nlarge\r\n' in asked.value.post_data_buffer
    assert "model=large" in code(page, "curl")
    assert '"model": "large"' in code(page, "HTTP")
    assert 'from_pretrained("large")' in code(page, "Python")
    page.reload()
    expect(page.get_by_label("Model")).to_have_value("large")


def test_history_outlives_the_page(page):
    choose_sample(page, "shop")
    ask(page)
    choose_sample(page, "village")
    choose_task(page, "Caption")
    ask(page)
    caption = page.locator("#answer-text").text_content()
    wait_until_kept(page, 2)
    page.goto(page.url.partition("#")[0])
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(0)).to_contain_text(caption)
    tiles.nth(1).click()
    expect(page.locator("#picture")).to_have_attribute("alt", "shop.jpg")
    expected = command_line([SAMPLES / "shop.jpg"], "--task", "od")[0]["result"]["labels"]
    assert page.locator("#regions b").all_text_contents() == expected
    # It can be asked about again.
    choose_task(page, "Caption")
    ask(page)
    expect(tiles).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(tiles).to_have_count(0)
    page.reload()
    expect(page.get_by_role("radio")).to_have_count(16)
    expect(tiles).to_have_count(0)


def test_switches_and_threshold(page, tmp_path):
    choose_sample(page, "shop")
    page.get_by_text("Search options").click()
    page.get_by_label("Beams").fill("3")
    ask(page)
    count = shapes(page).count()
    scores = command_line([SAMPLES / "shop.jpg"], "--task", "od", "--beams", "3")
    scores = scores[0]["result"]["scores"]
    shape, tag = page.locator("#overlay .shape").first, page.locator("#overlay .tag").first
    expect(shape).to_be_visible()
    page.get_by_label("Boxes").uncheck()
    expect(shape).to_be_hidden()
    expect(tag).to_be_visible()
    page.get_by_label("Labels").uncheck()
    expect(tag).to_be_hidden()
    expect(page.get_by_label("Masks")).to_be_hidden()  # there are none
    bare = downloaded(page, "Download PNG", tmp_path).read_bytes()
    page.get_by_label("Boxes").check()
    assert downloaded(page, "Download PNG", tmp_path).read_bytes() != bare
    page.get_by_label("Labels").check()
    threshold = round(100 * sorted(scores)[-1])  # so that only the surest may be left
    page.get_by_label("Score from").fill(str(threshold))
    sure = [score for score in scores if score >= threshold / 100]
    expect(page.locator("#regions li:visible")).to_have_count(len(sure))
    expect(page.locator("#overlay g.region:not(.below)")).to_have_count(len(sure))
    if len(sure) < count:
        expect(page.locator("#left-out")).to_contain_text(f"{count - len(sure)} of {count}")
    page.get_by_label("Score from").fill("0")
    expect(page.locator("#regions li:visible")).to_have_count(count)


def occupy(server, stop):
    """A client whose questions keep a server with one place busy until `stop` is set."""
    with server.client.stream(
        "POST",
        "/v1/annotate",
        files={"image": ("a.jpg", (SAMPLES / "shop.jpg").read_bytes())},
        data={"task": ["caption"] * 16, "stream": "true", "options": json.dumps(SLOW)},
    ) as response:
        for _ in response.iter_lines():
            if stop.is_set():
                return


def test_progress_by_stage(open_page, serve):
    server = serve("--workers", "1", "--max-batch", "1")
    page = open_page(server)
    choose_sample(page, "shop")
    stops = [threading.Event(), threading.Event()]
    clients = [threading.Thread(target=occupy, args=(server, stop)) for stop in stops]
    clients[0].start()
    server.wait_for("uffizi_running_questions", 1)
    clients[1].start()
    server.wait_for("uffizi_waiting_requests", 1)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#step-waiting")).to_have_text("Waiting for 1")
    expect(page.locator("#step-waiting")).to_have_attribute("aria-current", "step")
    expect(page.locator("#status")).to_have_text("Waiting for 1 …")
    shoot(page, "waiting")
    for stop in stops:
        stop.set()
    expect(page.locator("#downloads")).to_be_visible()
    expect(page.locator("#progress")).to_be_hidden()
    for client in clients:
        client.join()
    # A slow line: how much of the picture has gone.
    page.locator("#file").set_input_files(SAMPLES / "aquarium.png")
    expect(page.locator("#picture")).to_have_attribute("alt", "aquarium.png")
    session = page.context.new_cdp_session(page)
    size = (SAMPLES / "aquarium.png").stat().st_size
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": size / 1.5})
    record_texts(page, "#step-uploading")
    ask(page)
    shares = [int(text.split()[1]) for text in page.evaluate("seen") if text.endswith("%")]
    assert shares == sorted(shares)


def test_a_busy_server_is_asked_again(page):
    """A 503 says when to come again; the page does, and says so."""
    choose_sample(page, "shop")
    refusals = []

    def refuse_twice(route):
        if len(refusals) == 2:
            route.continue_()
            return
        refusals.append(time.monotonic())
        problem = {"status": 503, "code": "overloaded", "detail": "the queue is full"}
        route.fulfill(
            status=503,
            headers={"Retry-After": "1", "Content-Type": "application/problem+json"},
            body=json.dumps(problem),
        )

    page.route("**/v1/annotate", refuse_twice)
    record_texts(page, "#status")
    ask(page)
    assert len(refusals) == 2 and refusals[1] - refusals[0] > 0.9
    assert "The server is busy; again in 1 second …" in page.evaluate("seen")
    expect(page.locator("#error")).to_be_hidden()
    page.mistakes.clear()  # a browser writes each 503 to its console


def test_a_server_that_goes_away(open_page, serve):
    """In the middle of an answer; and when it is back, the page knows."""
    first = serve()
    page = open_page(first, refusals=True)
    choose_sample(page, "shop")
    choose_task(page, "Paragraph")
    ask_slowly(page)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer-text")).not_to_be_empty()
    first.process.send_signal(signal.SIGKILL)
    expect(page.locator("#error")).to_have_text("The server went away in the middle of its answer.")
    expect(page.locator("#gone")).to_be_visible()
    expect(page.locator("#answer-text")).not_to_be_empty()  # what had come
    expect(page.get_by_role("button", name="Ask")).to_be_enabled()
    shoot(page, "gone")
    serve(port=int(first.url.rpartition(":")[2]))
    expect(page.locator("#gone")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("The server is back.")
    page.evaluate("document.getElementById('status').textContent = ''")
    choose_sample(page, "village")
    choose_task(page, "Caption")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#answer-text")).not_to_be_empty()


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


def test_the_page_loads_at_once(page, server):
    """Every module is named in the page, so that none waits for another; and nothing is sent twice."""
    named = {script.removeprefix("/") for script in preloaded(server)}
    wanted = {url.rpartition("/")[2] for url in page.requests if url.endswith(".js")}
    assert wanted == named | {"app.js"}
    for path in ("/", "/app.js", "/samples/shop.jpg"):
        first = server.client.get(path)
        tag = first.headers["etag"]
        again = server.client.get(path, headers={"if-none-match": tag})
        assert again.status_code == 304 and not again.content
        assert again.headers["etag"] == tag
        other = server.client.get(path, headers={"if-none-match": '"1"'})
        assert other.status_code == 200 and other.content == first.content
    assert server.client.get("/healthz").status_code == 200  # the connection goes on


def preloaded(server):
    return re.findall(r'modulepreload" href="([^"]+)"', server.client.get("/").text)
