"""POST /v1/responses, asked by OpenAI's own client."""

import json

import openai
import pytest

from conftest import command_line, same
from openai_requests import SHOP, response_input


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
