"""POST /v1/chat/completions, asked by OpenAI's own client."""

import base64
import json
import typing

import openai
import pydantic
import pytest

from conftest import SAMPLES, command_line, same

SHOP = SAMPLES / "shop.jpg"


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)


def messages(text, picture=SHOP):
    uri = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
    return [
        {"role": "system", "content": "You are helpful."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": text},
                {"type": "image_url", "image_url": {"url": uri}},
            ],
        },
    ]


def test_text(client):
    expected = command_line([SHOP], "--task", "detailed_caption")[0]
    answer = client.chat.completions.create(
        model="uffizi-tiny", messages=messages("<DETAILED_CAPTION>")
    )
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content == expected["result"]
    assert choice.finish_reason == "stop"
    assert answer.usage.completion_tokens == len(expected["token_ids"])
    assert answer.usage.prompt_tokens > 10
    assert same(answer.uffizi, expected)


def test_regions_are_json(client):
    expected = command_line([SHOP], "--task", "od")[0]
    answer = client.chat.completions.create(model="uffizi-tiny", messages=messages("<OD>"))
    assert json.loads(answer.choices[0].message.content) == expected["result"]


def test_prompt_of_ones_own_and_length(client):
    expected = command_line(
        [SHOP], "--prompt", "What does the image describe?", "--max-length", "6"
    )[0]
    answer = client.chat.completions.create(
        model="uffizi-tiny",
        messages=messages("What does the image describe?"),
        max_tokens=5,
        temperature=0,
    )
    assert answer.choices[0].message.content == expected["result"]
    assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens <= 5


def test_sampling_by_seed(client):
    ask = (
        lambda seed: client.chat.completions.create(
            model="uffizi-tiny",
            messages=messages("<CAPTION>"),
            temperature=2,
            seed=seed,
            max_tokens=20,
        )
        .choices[0]
        .message.content
    )
    assert ask(1) == ask(1)
    assert len({ask(seed) for seed in range(6)}) > 1


@pytest.mark.parametrize(
    "task,beams", [("<CAPTION>", 1), ("<CAPTION>", 3), ("<OD>", 1), ("<OCR>", 1)]
)
def test_streaming(client, task, beams):
    expected = command_line([SHOP], "--prompt", task, "--beams", str(beams))[0]
    chunks = list(
        client.chat.completions.create(
            model="uffizi-tiny",
            messages=messages(task),
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"options": {"num_beams": beams}},
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    content = "".join(delta.content or "" for delta in deltas)
    if task == "<OD>":
        assert json.loads(content) == expected["result"]
    else:
        assert content == expected["result"]
    assert deltas[0].role == "assistant" and len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == len(expected["token_ids"])


def test_streams_as_the_text_grows(client):
    long = {"num_beams": 1, "min_length": 250, "max_length": 250}
    expected = command_line(
        [SHOP], "--task", "caption", "--beams", "1", "--min-length", "250", "--max-length", "250"
    )[0]
    chunks = client.chat.completions.create(
        model="uffizi-tiny",
        messages=messages("<CAPTION>"),
        stream=True,
        extra_body={"options": long},
    )
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert sum(map(bool, pieces)) > 3 and "".join(pieces) == expected["result"]


def test_models(client):
    assert [model.id for model in client.models.list()] == ["uffizi-tiny"]
    assert client.models.retrieve("uffizi-tiny").owned_by == "uffizi"


def test_the_last_picture_and_message_count(client):
    talk = (
        messages("<CAPTION>")
        + [{"role": "assistant", "content": "A shop."}]
        + messages("<CAPTION>", SAMPLES / "village.jpg")
    )
    expected = command_line([SAMPLES / "village.jpg"], "--task", "caption")[0]
    answer = client.chat.completions.create(model="uffizi-tiny", messages=talk)
    assert answer.choices[0].message.content == expected["result"]


@pytest.mark.parametrize(
    "change,error,words",
    [
        ({"model": "gpt-4o"}, openai.NotFoundError, "gpt-4o"),
        (
            {"messages": [{"role": "user", "content": "<OD>"}]},
            openai.UnprocessableEntityError,
            "no picture",
        ),
        ({"messages": messages("")}, openai.UnprocessableEntityError, "no text"),
        ({"messages": messages("<OD>cat")}, openai.UnprocessableEntityError, "whole prompt"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "<OD>"},
                            {
                                "type": "image_url",
                                "image_url": {"url": "https://example.com/a.jpg"},
                            },
                        ],
                    }
                ]
            },
            openai.UnprocessableEntityError,
            "not fetched",
        ),
        ({"n": 2}, openai.UnprocessableEntityError, "n other than 1"),
        ({"stop": ["x"]}, openai.UnprocessableEntityError, "stop"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens"),
        ({"extra_body": {"flight": 1}}, openai.BadRequestError, "flight"),
    ],
)
def test_mistakes(client, change, error, words):
    request = {"model": "uffizi-tiny", "messages": messages("<CAPTION>")} | change
    with pytest.raises(error) as caught:
        client.chat.completions.create(**request)
    assert words in caught.value.body["message"]


def picture_part(picture):
    uri = (
        f"data:image/{picture.suffix[1:]};base64," + base64.b64encode(picture.read_bytes()).decode()
    )
    return {"type": "image_url", "image_url": {"url": uri}}


def test_a_long_answer_is_cut_to_what_the_model_can(client):
    """Clients ask for as many tokens as their other models can."""
    expected = command_line([SHOP], "--task", "caption")[0]
    for field in ("max_tokens", "max_completion_tokens"):
        answer = client.chat.completions.create(
            model="uffizi-tiny", messages=messages("<CAPTION>"), **{field: 1_000_000}
        )
        assert same(answer.uffizi, expected)


def test_several_pictures(client):
    village = SAMPLES / "village.jpg"
    talk = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<CAPTION>"},
                picture_part(SHOP),
                picture_part(village),
            ],
        }
    ]
    with pytest.raises(openai.UnprocessableEntityError, match="2 pictures.*each_picture"):
        client.chat.completions.create(model="uffizi-tiny", messages=talk)
    answer = client.chat.completions.create(
        model="uffizi-tiny", messages=talk, extra_body={"each_picture": True}
    )
    expected = command_line([SHOP, village], "--task", "caption")
    assert [choice.message.content for choice in answer.choices] == [
        record["result"] for record in expected
    ]
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(map(same, answer.uffizi, expected))
    assert answer.usage.completion_tokens == sum(len(record["token_ids"]) for record in expected)
    talk[0]["content"] += [picture_part(SHOP)] * 15
    with pytest.raises(openai.BadRequestError, match="at most 16"):
        client.chat.completions.create(
            model="uffizi-tiny", messages=talk, extra_body={"each_picture": True}
        )


def test_any_model_name(serve):
    server = serve("--any-model-name")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    answer = client.chat.completions.create(model="gpt-4o", messages=messages("<CAPTION>"))
    assert answer.model == "uffizi-tiny"
    assert [model.id for model in client.models.list()] == ["uffizi-tiny"]


class Thing(pydantic.BaseModel):
    label: str
    bbox: list[float]
    score: float
    colour: str | None = None


class Things(pydantic.BaseModel):
    objects: list[Thing]
    count: int


class Corners(pydantic.BaseModel):
    x1: int
    y1: int
    x2: int
    y2: int


class Place(pydantic.BaseModel):
    name: typing.Literal["hamburger", "none of these"]
    box: Corners


class Places(pydantic.BaseModel):
    places: list[Place]


class Described(pydantic.BaseModel):
    description: str


class Coloured(pydantic.BaseModel):
    colour: int


def parsed(client, prompt, form):
    return (
        client.chat.completions.parse(
            model="uffizi-tiny", messages=messages(prompt), response_format=form
        )
        .choices[0]
        .message.parsed
    )


def test_answers_in_the_form_of_a_schema(client):
    expected = command_line([SHOP], "--task", "od")[0]["result"]
    things = parsed(client, "<OD>", Things)
    assert [thing.label for thing in things.objects] == expected["labels"]
    assert [thing.score for thing in things.objects] == pytest.approx(expected["scores"])
    assert things.count == len(expected["labels"]) > 0
    for thing, (x1, y1, x2, y2) in zip(things.objects, expected["bboxes"]):
        assert thing.bbox == pytest.approx([min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)])
    text = command_line([SHOP], "--task", "caption")[0]["result"]
    assert parsed(client, "<CAPTION>", Described).description == text


def test_a_schema_that_lists_labels_chooses(client):
    expected = command_line([SHOP], "--task", "od")[0]["result"]
    places = parsed(client, "<OD>", Places).places
    boxes = [
        box for box, label in zip(expected["bboxes"], expected["labels"]) if label == "hamburger"
    ]
    assert 0 < len(boxes) < len(expected["labels"]) and len(places) == len(boxes)
    for place, box in zip(places, boxes):
        assert [place.box.x1, place.box.y1] == [round(box[0]), round(box[1])]
        assert [place.box.x2, place.box.y2] == [round(box[2]), round(box[3])]


def test_what_no_answer_holds_is_refused(client):
    for prompt, form in [("<OD>", Coloured), ("<CAPTION>", Things)]:
        with pytest.raises(openai.UnprocessableEntityError, match="cannot be filled"):
            parsed(client, prompt, form)


def test_any_json(client):
    ask = lambda prompt: json.loads(
        client.chat.completions.create(
            model="uffizi-tiny",
            messages=messages(prompt),
            response_format={"type": "json_object"},
        )
        .choices[0]
        .message.content
    )
    assert ask("<OD>") == command_line([SHOP], "--task", "od")[0]["result"]
    assert ask("<CAPTION>") == {"text": command_line([SHOP], "--task", "caption")[0]["result"]}


def response_input(text, picture=SHOP):
    return [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": text},
                {
                    "type": "input_image",
                    "image_url": picture_part(picture)["image_url"]["url"],
                    "detail": "auto",
                },
            ],
        }
    ]


def test_responses(client):
    expected = command_line([SHOP], "--task", "caption")[0]
    answer = client.responses.create(
        model="uffizi-tiny",
        instructions="You are helpful.",
        input=response_input("<CAPTION>"),
        max_output_tokens=100_000,
    )
    assert answer.output_text == expected["result"] and answer.status == "completed"
    assert answer.usage.output_tokens == len(expected["token_ids"])
    assert same(answer.uffizi, expected)
    answer = client.responses.create(
        model="uffizi-tiny", input=response_input("<CAPTION>"), max_output_tokens=3
    )
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("task", ["<MORE_DETAILED_CAPTION>", "<OD>"])
def test_responses_stream(client, task):
    expected = command_line([SHOP], "--prompt", task, "--beams", "1")[0]["result"]
    text, deltas = "", 0
    with client.responses.stream(
        model="uffizi-tiny", input=response_input(task), extra_body={"options": {"num_beams": 1}}
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text, deltas = text + event.delta, deltas + 1
        final = stream.get_final_response()
    assert text == final.output_text and deltas >= 1
    assert (json.loads(text) if task == "<OD>" else text) == expected


def test_responses_in_the_form_of_a_schema(client):
    expected = command_line([SHOP], "--task", "od")[0]["result"]
    answer = client.responses.parse(
        model="uffizi-tiny", input=response_input("<OD>"), text_format=Things
    )
    assert [thing.label for thing in answer.output_parsed.objects] == expected["labels"]


@pytest.mark.parametrize(
    "change,words",
    [
        ({"input": "<CAPTION>"}, "no picture"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
    ],
)
def test_mistakes_in_responses(client, change, words):
    request = {"model": "uffizi-tiny", "input": response_input("<CAPTION>")} | change
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.responses.create(**request)
    assert words in caught.value.body["message"]


def test_key(serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    wrong = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="uffizi-tiny", messages=messages("<CAPTION>"))
    right = openai.OpenAI(base_url=server.url + "/v1", api_key="secret", max_retries=0)
    assert right.chat.completions.create(
        model="uffizi-tiny", messages=messages("<CAPTION>")
    ).choices
