"""POST /v1/chat/completions, asked by OpenAI's own client."""

import json

import openai
import pytest

from conftest import SAMPLES, command_line, same
from openai_requests import SHOP, messages, picture_part


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


def test_key(serve):
    server = serve(env={"UFFIZI_API_KEY": "secret"})
    wrong = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.chat.completions.create(model="uffizi-tiny", messages=messages("<CAPTION>"))
    right = openai.OpenAI(base_url=server.url + "/v1", api_key="secret", max_retries=0)
    assert right.chat.completions.create(
        model="uffizi-tiny", messages=messages("<CAPTION>")
    ).choices
