"""Answers in the form of a JSON schema, asked by OpenAI's own client."""

import json
import typing

import openai
import pydantic
import pytest

from conftest import command_line
from openai_requests import SHOP, messages, response_input


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


def test_responses_in_the_form_of_a_schema(client):
    expected = command_line([SHOP], "--task", "od")[0]["result"]
    answer = client.responses.parse(
        model="uffizi-tiny", input=response_input("<OD>"), text_format=Things
    )
    assert [thing.label for thing in answer.output_parsed.objects] == expected["labels"]
