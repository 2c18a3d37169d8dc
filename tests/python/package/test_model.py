import concurrent.futures
import threading
import time

import numpy as np
import pytest

import uffizi


def same(one, other):
    """Everything of two results but the timings; scores to float tolerance."""
    assert one.text == other.text
    assert one.to_dict().keys() == other.to_dict().keys()
    np.testing.assert_allclose(
        [r.score for r in one.regions], [r.score for r in other.regions], rtol=1e-4
    )


def test_every_task(model, scene):
    region, text = (119, 143, 292, 369), "a dog"
    for token, task in uffizi.TASKS.items():
        result = model(scene, token, text=text, region=region)
        assert result.task == token and result.shape == task.shape
        assert (result.width, result.height) == (529, 705)
        assert result.text == model.detokenize(result.token_ids)
        assert list(result.to_dict()) == [token]
        same(result, model(scene, task.name, text=text, region=region))


def test_several_tasks_and_batches_are_as_one_by_one(model, scene, other):
    paths = [scene, other] * 3
    tasks = ["<OD>", ("<CAPTION_TO_PHRASE_GROUNDING>", "a dog"), "<CAPTION>"]
    rows = model(paths, tasks, batch_size=4)
    assert [len(row) for row in rows] == [3] * 6
    for path, row in zip(paths, rows):
        for task, result in zip(tasks, row):
            same(result, model(path, task))
    for result, row in zip(model(paths, "<OD>"), rows):
        same(result, row[0])
    assert model([], "<OD>") == [] and model(paths[0], []) == []


def test_encode_once_ask_many(model, scene, other):
    picture = model.encode(scene)
    assert picture.tokens.shape == (model.info["image_tokens"], model.info["d_model"])
    assert np.shares_memory(picture.tokens, picture.tokens) and not picture.tokens.flags.writeable
    first, second = picture("<OD>"), model(picture, "<CAPTION>")
    same(first, model(scene, "<OD>"))
    same(second, model(scene, "<CAPTION>"))
    assert first.timings.vision_encoder > 0 and second.timings.vision_encoder == 0
    assert second.timings.total < first.timings.total
    tokens = picture.tokens
    values = tokens.copy()
    del picture, first, second
    np.testing.assert_array_equal(tokens, values)  # the array keeps the encoding
    stranger = uffizi.Florence2(model.info["path"], threads=1)
    with pytest.raises(uffizi.ArgumentError, match="another model"):
        stranger(model.encode(scene), "<OD>")


def test_inputs(model, scene):
    box = (100.0, 141.1, 264.6, 352.6)
    located = "<loc_189><loc_200><loc_500><loc_500>"
    for given in ({"region": box}, {"region": located}, {"text": located}):
        same(
            model(scene, "<REGION_TO_CATEGORY>", **given),
            model(scene, f"<REGION_TO_CATEGORY>{located}"),
        )
    same(
        model(scene, ("<REGION_TO_CATEGORY>", box)), model(scene, f"<REGION_TO_CATEGORY>{located}")
    )
    vocabulary = model(scene, "<OPEN_VOCABULARY_DETECTION>", text=["dog", "house"])
    same(vocabulary, model(scene, "<OPEN_VOCABULARY_DETECTION>dog <and> house"))
    raw = model(scene, "What does the image describe?")
    assert raw.task == "" and raw.caption == model(scene, "<CAPTION>").caption
    for task, given in [
        ("<OD>", {}),
        ("<OD> and more", None),
        ("<REGION_TO_OCR>", None),
        (("<OD>", "a cat"), None),
        (("my own prompt", "a cat"), None),
        (("<OD>", "<CAPTION>", "<OCR>"), None),
        ("<CAPTION>" * 99, None),
    ]:
        if given is None:
            with pytest.raises(uffizi.PromptError):
                model(scene, task)
    with pytest.raises(TypeError):
        model(scene, 3)


def test_generation_options(model, scene):
    greedy = model(scene, "<CAPTION>")
    beams = model(scene, "<CAPTION>", num_beams=4, early_stopping="never", length_penalty=0.5)
    assert beams.text.startswith("<s>") and beams.text.endswith("</s>")
    short = model(scene, "<CAPTION>", max_new_tokens=5)
    assert short.truncated and len(short.token_ids) == 5 and not greedy.truncated
    same(short, model(scene, "<CAPTION>", max_length=6))
    same(greedy, model(scene, "<CAPTION>", max_new_tokens=10_000, num_beams=None))
    longer = model(scene, "<CAPTION>", min_length=60, no_repeat_ngram_size=0)
    assert len(longer.token_ids) >= 59
    drawn = [
        model(scene, "<CAPTION>", do_sample=True, temperature=3.0, seed=s).text for s in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    ids = greedy.token_ids
    assert ids[3] not in model(scene, "<CAPTION>", suppress_tokens=[ids[3]]).token_ids
    until = ids[: ids.index(ids[-3]) + 1]
    assert model(scene, "<CAPTION>", eos_token_id=[2, ids[-3]]).token_ids == until
    assert model(scene, "<CAPTION>", eos_token_id=ids[-3]).token_ids == until
    never = model(scene, "<OD>", no_repeat_ngram_size=1).token_ids
    assert len(never) == len(set(never))
    for bad in (
        {"num_beams": 0},
        {"max_length": 10_000},
        {"early_stopping": "maybe"},
        {"max_new_tokens": 0},
        {"max_length": 5, "max_new_tokens": 5},
        {"temperature": -1.0, "do_sample": True},
    ):
        with pytest.raises(uffizi.ArgumentError):
            model(scene, "<OD>", **bad)
    with pytest.raises(TypeError, match="num_beam'"):
        model(scene, "<OD>", num_beam=3)
    with pytest.raises(TypeError, match="num_beams"):
        model(scene, "<OD>", num_beams="3")


def test_stream(model, scene):
    whole = model(scene, "<OD>")
    stream = model.stream(scene, "<OD>")
    tokens = list(stream)
    assert "".join(token.delta for token in tokens) == tokens[-1].text == whole.text
    assert [len(token.token_ids) for token in tokens] == list(range(1, len(tokens) + 1))
    same(stream.result, whole)
    assert list(stream) == []
    same(model.stream(scene, "<OD>", num_beams=3).result, model(scene, "<OD>", num_beams=3))


def test_stream_stops(model, scene):
    long = {"min_length": 255, "max_length": 256}
    stream = model.stream(scene, "<CAPTION>", **long)
    first = next(stream)
    stream.close()
    assert len(stream.result.token_ids) < 255 and stream.result.text.startswith(first.text)
    with model.stream(scene, "<CAPTION>", **long) as stream:
        next(stream)
    assert len(stream.result.token_ids) < 255
    stream = model.stream(scene, "<CAPTION>", **long)
    next(stream)
    (thread,) = (t for t in threading.enumerate() if t.name == "uffizi-stream")
    del stream  # dropped: the thread ends by itself
    thread.join(timeout=5)
    assert not thread.is_alive()


def test_threads_agree_and_leave_python_running(model, scene, other):
    paths = [scene, other] * 8
    alone = model(paths, "<OD>", batch_size=1)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for one, again in zip(alone, pool.map(lambda path: model(path, "<OD>"), paths)):
            same(one, again)
    # While a call computes, other threads run: none has to wait for its end.
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    ticker = threading.Thread(target=tick)
    ticker.start()
    start = time.perf_counter()
    model(paths, "<CAPTION>", min_length=200, batch_size=16)
    end = time.perf_counter()
    done.set()
    ticker.join()
    assert sum(start < tick < end for tick in ticks) > 5


def test_one_engine_for_a_folder(model):
    again = uffizi.Florence2.from_pretrained(model.info["path"])
    assert again._engine is model._engine
    assert uffizi.Florence2.from_pretrained(threads=1)._engine is not model._engine
    assert model.info["threads"] >= 1 and model.info["parameters"] > 1_000_000
    assert model.tokenize("a dog")[0] == 0
    assert model.detokenize(model.tokenize("a dog"), skip_special_tokens=True) == "a dog"


def test_arithmetic(scene):
    exact = uffizi.Florence2.from_pretrained(compute="f32")
    small = uffizi.Florence2.from_pretrained(compute="int4")
    assert (exact.info["compute"], small.info["compute"]) == ("f32", "int4")
    assert small.info["resident_bytes"] < exact.info["resident_bytes"] / 2
    one, other = exact.encode(scene).tokens, small.encode(scene).tokens
    assert 0.001 < np.linalg.norm(one - other) / np.linalg.norm(one) < 0.5
    assert small(scene, "<OD>").regions
