"""The page: links, history, what is drawn, and what it does while answers come, or do not."""

import json
import re
import signal
import threading
import time

from playwright.sync_api import expect

from conftest import SAMPLES, SLOW, command_line
from page_driver import (
    ask,
    ask_slowly,
    choose_sample,
    choose_task,
    choose_tasks,
    code,
    downloaded,
    record_texts,
    shapes,
    shoot,
)


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


def test_masks_can_be_hidden(page, tmp_path):
    choose_sample(page, "shop")
    choose_task(page, "Outline of a phrase")
    page.get_by_role("textbox", name="Text", exact=True).fill("the hamburger")
    ask(page)
    mask = page.locator("#overlay .shape").first
    expect(mask).to_be_visible()
    expect(page.get_by_label("Boxes")).to_be_hidden()  # there are none
    with_mask = downloaded(page, "Download PNG", tmp_path).read_bytes()
    page.get_by_label("Masks").uncheck()
    expect(mask).to_be_hidden()
    assert downloaded(page, "Download PNG", tmp_path).read_bytes() != with_mask


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
