"""What may be said about a question: the same in every call that asks."""

import json
import math
import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

import uffizi

SENTENCE = "Locate the objects with category name in the image."  # what <OD> asks the model


@pytest.fixture(scope="module")
def expected(model, other):
    return model(other, "<OD>")


@pytest.fixture(scope="module")
def label(expected):
    return expected.regions[0].label


def chosen(expected, label):
    return [region for region in expected.regions if region.label == label]


def test_answers_of_own_prompts_are_read_as_a_tasks(model, other, expected):
    own = model(other, SENTENCE, answer_as="od")
    assert own.regions == expected.regions and own.task == ""
    assert own.to_dict() == {SENTENCE: expected.answer}
    assert model(other, SENTENCE).shape == "text"
    both = model(other, ["<CAPTION>", SENTENCE], answer_as="<OD>")
    assert both[0].shape == "text" and both[1].regions == expected.regions
    for wrong in ("<OD>", "od", "<CAPTION_TO_PHRASE_GROUNDING>a cat"):
        with pytest.raises(uffizi.Error, match="answer_as"):
            model(other, wrong, answer_as="od")
    with pytest.raises(uffizi.ArgumentError, match="nothing"):
        model(other, SENTENCE, answer_as="nothing")


def test_filters_hold_everywhere(model, other, expected, label, tmp_path):
    wanted = chosen(expected, label)
    assert 0 < len(wanted) < len(expected.regions)
    picture = model.encode(other)
    middle = sorted(region.score for region in expected.regions)[1]
    high = [region for region in expected.regions if region.score >= middle]
    assert picture("<OD>", labels=[label]).regions == wanted
    assert picture("<OD>", min_score=middle).regions == high
    assert picture.stream("<OD>", labels=[label.upper()]).result.regions == wanted
    own = model.stream(other, SENTENCE, answer_as="od", min_score=middle).result
    assert own.regions == high

    table = uffizi.annotate(
        other, SENTENCE, model=model, progress=False, answer_as="od", labels=[label]
    )
    assert list(table["label"]) == [label] * len(wanted)

    pyarrow.parquet.write_table(
        pyarrow.table({"image": [other.read_bytes()]}), tmp_path / "in.parquet"
    )
    out = uffizi.annotate_parquet(
        tmp_path / "in.parquet",
        tmp_path / "a.jsonl",
        SENTENCE,
        model=model,
        progress=False,
        answer_as="od",
        labels=[label],
    )
    (found,) = json.loads(out.read_text())["results"]
    assert found["labels"] == [label] * len(wanted)
    command = ["annotate", "in.parquet", "--prompt", SENTENCE, "--as", "od", "--labels", label]
    subprocess.run(
        [sys.executable, "-m", "uffizi", *command, "--output", "b.jsonl", "--quiet"],
        cwd=tmp_path,
        check=True,
    )
    (again,) = json.loads((tmp_path / "b.jsonl").read_text())["results"]
    assert again["labels"] == found["labels"]


def test_wrong_options(model, scene):
    with pytest.raises(TypeError, match="min_scores"):
        model(scene, "<OD>", min_scores=1)
    with pytest.raises(TypeError, match="labels"):
        model(scene, "<OD>", labels="house")


def test_tokens_have_their_probabilities(model, expected):
    """A score is at least the probability of the label and of the very bins that were chosen."""
    assert len(expected.token_logprobs) == len(expected.token_ids)
    assert all(value <= 0 for value in expected.token_logprobs)
    label, sides, least = 0.0, [], []
    for value, token in zip(expected.token_logprobs, expected.token_ids):
        if not model.detokenize([token]).startswith("<loc_"):
            if sides:
                label, sides = 0.0, []
            label += value
            continue
        sides.append(value)
        if len(sides) % 4 == 0:
            least.append(math.exp(label + sum(sides[-4:])))
    scores = [region.score for region in expected.regions]
    assert len(least) == len(scores) > 0
    assert all(low - 1e-6 <= score <= 1 for low, score in zip(least, scores))
