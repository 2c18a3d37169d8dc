import pickle

import pytest

import uffizi


def test_kinds(tmp_path, model):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(uffizi.ModelError):
        uffizi.Florence2.from_pretrained(tmp_path)
    with pytest.raises(uffizi.NotFoundError, match="no-such-model"):
        uffizi.Florence2.from_pretrained("no-such-model")
    with pytest.raises(uffizi.ArgumentError, match="bf16"):
        uffizi.Florence2.from_pretrained(compute="bf16")
    with pytest.raises(uffizi.ArgumentError):
        uffizi.Florence2.from_pretrained(threads=-1)
    for kind in (
        uffizi.ModelError,
        uffizi.ImageError,
        uffizi.PromptError,
        uffizi.ArgumentError,
        uffizi.NotFoundError,
        uffizi.ReadError,
        uffizi.UnsupportedError,
    ):
        assert issubclass(kind, uffizi.Error)
    assert issubclass(uffizi.NotFoundError, FileNotFoundError)
    assert issubclass(uffizi.PromptError, ValueError)


def test_codes_and_pickle(model, scene):
    with pytest.raises(uffizi.PromptError) as long:
        model(scene, "a " * 500)
    with pytest.raises(uffizi.NotFoundError) as missing:
        model("none.png", "<OD>")
    assert (long.value.code, missing.value.code) == ("prompt_too_long", "not_found")
    for error in (long.value, missing.value):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.code) == (type(error), str(error), error.code)
    assert str(missing.value).startswith("none.png")
