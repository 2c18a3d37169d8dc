"""MCP by the official Python SDK, over standard input and output and over HTTP."""

import asyncio
import base64
import functools
import io
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from PIL import Image

from conftest import COMMAND, MODEL, SAMPLES, command_line

SHOP = SAMPLES / "shop.jpg"
URI = "data:image/jpeg;base64," + base64.b64encode(SHOP.read_bytes()).decode()
TOOLS = {"caption", "detect", "ground", "read_text", "segment", "ask"}


@pytest.fixture(params=["stdio", "http"])
def talk(request):
    """Runs what a client does, over either transport."""
    if request.param == "stdio":
        make = lambda: stdio_client(
            StdioServerParameters(command=COMMAND, args=["mcp", "--model", str(MODEL)])
        )
    else:
        url = request.getfixturevalue("server").url + "/mcp"
        make = lambda: url

    def run(action):
        async def main():
            async with Client(make()) as client:
                return await action(client)

        # A browser of other tests may have an event loop in this thread.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, main()).result()

    run.transport = request.param
    return run


def call(talk, tool, **arguments):
    return talk(lambda client: client.call_tool(tool, {"image": URI} | arguments))


def test_tools(talk):
    async def action(client):
        await client.send_ping()
        return client.server_info, (await client.list_tools()).tools

    info, tools = talk(action)
    assert info.name == "uffizi" and info.version
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description and "image" in tool.input_schema["required"]
        assert tool.output_schema["type"] == "object" and tool.annotations.read_only_hint


@pytest.mark.parametrize(
    "tool,arguments,options",
    [
        ("caption", {}, ["--task", "detailed_caption"]),
        ("caption", {"detail": "brief"}, ["--task", "caption"]),
        ("detect", {}, ["--task", "od"]),
        ("detect", {"min_score": 0.9}, ["--task", "od", "--min-score", "0.9"]),
        ("detect", {"kind": "descriptions"}, ["--task", "dense_region_caption"]),
        (
            "detect",
            {"labels": ["hamburger", "pizza"]},
            ["--task", "open_vocabulary", "--text", "hamburger;pizza"],
        ),
        ("ground", {"text": "a hamburger"}, ["--task", "grounding", "--text", "a hamburger"]),
        ("read_text", {}, ["--task", "ocr_with_region"]),
        ("segment", {"text": "a hamburger"}, ["--task", "segmentation", "--text", "a hamburger"]),
        (
            "segment",
            {"region": [10, 20, 300, 200]},
            ["--task", "region_to_segmentation", "--region", "10,20,300,200"],
        ),
        ("ask", {"prompt": "<CAPTION>"}, ["--prompt", "<CAPTION>"]),
        ("ask", {"prompt": "Where?", "as": "od"}, ["--prompt", "Where?", "--as", "od"]),
    ],
)
def test_answers_as_the_command_line(talk, tool, arguments, options):
    """The SDK itself holds structured results to the tool's schema."""
    result = call(talk, tool, **arguments)
    assert not result.is_error, result.content
    expected = command_line([SHOP], *options)[0]
    told = result.structured_content
    assert (told["width"], told["height"]) == (expected["width"], expected["height"])
    assert told["task"] == expected["task"] and told["model"] == "uffizi-tiny"
    assert json.loads(result.content[0].text) == told
    answer = expected["result"]
    if isinstance(answer, str):
        assert told["text"] == answer and told["regions"] == []
        return
    labels = answer.get("labels", []) + answer.get("bboxes_labels", [])
    labels += answer.get("polygons_labels", [])
    assert sorted(region["label"] for region in told["regions"]) == sorted(labels)
    boxes = answer.get("bboxes", [])
    if len(boxes) == len(told["regions"]):
        for region, (x1, y1, x2, y2) in zip(told["regions"], boxes):
            corners = [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]
            assert region["box"] == pytest.approx(corners, abs=0.01)
    if tool == "segment":
        assert any(region["polygons"] for region in told["regions"])


def drawn(result):
    (picture,) = [part for part in result.content if part.type == "image"]
    return Image.open(io.BytesIO(base64.b64decode(picture.data))).convert("RGB")


def test_the_answer_is_drawn(talk, tmp_path):
    picture = drawn(call(talk, "detect"))
    command_line([SHOP], "--task", "od", "--draw", str(tmp_path))
    (by_command,) = (path for path in tmp_path.rglob("*") if path.is_file())
    wanted = Image.open(by_command).convert("RGB")
    assert picture.size == wanted.size
    difference = sum(
        abs(a - b) for x, y in zip(picture.getdata(), wanted.getdata()) for a, b in zip(x, y)
    )
    assert difference / (3 * picture.width * picture.height) < 4  # of 255: JPEG's own
    assert len(call(talk, "detect", draw=False).content) == 1
    assert len(call(talk, "caption").content) == 1
    assert drawn(call(talk, "caption", draw=True)).height > 0


def test_a_large_picture_is_drawn_small(talk):
    large = io.BytesIO()
    Image.open(SHOP).resize((3000, 2000)).save(large, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(large.getvalue()).decode()
    result = call(talk, "detect", image=uri)
    assert result.structured_content["width"] == 3000
    assert max(drawn(result).size) == 1024


@pytest.mark.parametrize(
    "tool,arguments,words",
    [
        ("segment", {}, "by text or by region"),
        ("ground", {}, "text is missing"),
        ("ask", {"prompt": "x", "as": "fly"}, "no task"),
        ("detect", {"colour": "red"}, "no field is called colour"),
        ("caption", {"image": "data:image/png;base64,aGVsbG8="}, "image"),
        ("caption", {"image": "http://127.0.0.1:9/a.jpg"}, ""),
        ("caption", {"model": "other"}, "uffizi-tiny"),
    ],
)
def test_mistakes_are_told_to_the_model(talk, tool, arguments, words):
    result = call(talk, tool, **arguments)
    assert result.is_error and words in result.content[0].text


def leaves(error):
    """The exceptions in a group of them."""
    for one in getattr(error, "exceptions", []):
        yield from leaves(one)
    if not hasattr(error, "exceptions"):
        yield error


def test_unknown_tools_and_methods(talk):
    with pytest.raises(Exception) as caught:
        call(talk, "paint")
    assert any("no tool is called" in str(error) for error in leaves(caught.value))


def test_files_are_read_for_their_owner_only(talk):
    """`uffizi mcp` runs for whoever owns the files; a server must not show its disk to strangers."""
    for path in (str(SHOP), SHOP.as_uri()):
        result = call(talk, "caption", image=path)
        if talk.transport == "stdio":
            expected = command_line([SHOP], "--task", "detailed_caption")[0]
            assert result.structured_content["text"] == expected["result"]
        else:
            assert result.is_error and str(SHOP) not in result.content[0].text
    if talk.transport == "stdio":
        assert "no file" in call(talk, "caption", image="/no/such.jpg").content[0].text


def test_addresses_of_private_networks_are_refused(talk):
    result = call(talk, "caption", image="http://127.0.0.1:1/photo.jpg")
    words = "private network" if talk.transport == "stdio" else "not fetched"
    assert result.is_error and words in result.content[0].text


def test_calls_side_by_side(talk):
    async def action(client):
        calls = [client.call_tool("caption", {"image": URI}) for _ in range(8)]
        return await asyncio.gather(*calls)

    texts = {result.structured_content["text"] for result in talk(action)}
    assert texts == {command_line([SHOP], "--task", "detailed_caption")[0]["result"]}


def speak(*lines):
    """What `uffizi mcp` says to these lines."""
    ran = subprocess.run(
        [COMMAND, "mcp", "--model", MODEL],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_lines_that_are_no_messages():
    request = functools.partial(dict, jsonrpc="2.0")
    answers = speak(
        "{",
        "[]",
        json.dumps(request(method="fly", id=1)),
        json.dumps(request(method="notifications/initialized")),
        json.dumps(request(method="initialize", id="a", params={"protocolVersion": "1999-01-01"})),
        json.dumps(request(method="ping", id=2)),
    )
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        *(-32700, -32600, -32601),
        *(None, None),
    ]
    assert answers[3]["id"] == "a" and answers[3]["result"]["protocolVersion"] == "2025-11-25"
    assert answers[4] == {"jsonrpc": "2.0", "id": 2, "result": {}}


def test_a_cancelled_call_has_no_answer():
    """Of two, the one that was called off is not answered, and the other is."""
    slow = {"prompt": "<MORE_DETAILED_CAPTION>", "image": URI}
    message = lambda number: json.dumps(
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": "ask", "arguments": slow},
        }
    )
    cancel = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 1},
    }
    answers = speak(message(1), json.dumps(cancel), message(2))
    assert [answer["id"] for answer in answers] == [2]


def test_pages_of_other_origins_may_not_ask(serve):
    server = serve("--cors", "https://photos.example")
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for origin, status in [
        (None, 200),
        (server.url, 200),
        ("https://photos.example", 200),
        ("https://evil.example", 403),
    ]:
        headers = {"origin": origin} if origin else {}
        assert server.client.post("/mcp", json=ping, headers=headers).status_code == status
    assert server.client.get("/mcp").status_code == 405


def test_key(serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert server.client.post("/mcp", json=ping).status_code == 401
    headers = {"authorization": "Bearer secret"}
    assert server.client.post("/mcp", json=ping, headers=headers).status_code == 200
