"""The model card's sample, by uffizi.transformers, against what transformers answered."""

import hashlib
import json
import os
import pathlib
import subprocess

import PIL.Image
import pytest

import uffizi
from uffizi.transformers import AutoModelForCausalLM, AutoProcessor


@pytest.fixture(scope="module")
def loaded():
    return AutoModelForCausalLM.from_pretrained(compute="f32"), AutoProcessor.from_pretrained()


def truncated(value):
    """As transformers' processor has coordinates."""
    if isinstance(value, dict):
        return {key: truncated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [truncated(item) for item in value]
    return int(value) if isinstance(value, float) else value


def compare(golden, loaded, pictures):
    model, processor = loaded
    assert len(golden["answers"]) > 20
    for expected in golden["answers"]:
        image = PIL.Image.open(pictures / expected["picture"]).convert("RGB")
        prompt = expected["prompt"]
        task = prompt[: prompt.index(">") + 1]
        inputs = processor(text=prompt, images=image, return_tensors="pt").to("cpu")
        generated_ids = model.generate(
            input_ids=inputs["input_ids"],
            pixel_values=inputs["pixel_values"],
            max_new_tokens=200,
            num_beams=3,
            do_sample=False,
        )
        text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
        answer = processor.post_process_generation(text, task=task, image_size=image.size)
        assert generated_ids[0] == expected["ids"], prompt
        assert text == expected["text"]
        assert truncated(answer[task]) == expected["answer"]


def test_answers_are_those_of_transformers(loaded, pictures, source):
    golden = json.loads((source / "tests/data/python/answers.json").read_text())
    weights = (source / "models/uffizi-tiny/model.safetensors").read_bytes()
    assert golden["weights"] == hashlib.sha256(weights).hexdigest(), (
        "models/uffizi-tiny has changed since tests/data/python/answers.json was made: ./run golden python"
    )
    compare(golden, loaded, pictures)


def test_answers_are_those_of_transformers_now(loaded, pictures, source):
    python = os.environ.get("UFFIZI_TORCH_PYTHON", source / "build/golden-env/bin/python")
    if not pathlib.Path(python).exists():
        pytest.skip("no Python with torch: UFFIZI_TORCH_PYTHON names none, ./run golden made none")
    script = source / "tests/golden/make_python.py"
    done = subprocess.run([python, script, "--print"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    compare(json.loads(done.stdout), loaded, pictures)


def test_batches_and_refusals(loaded, scene, other):
    model, processor = loaded
    images = [PIL.Image.open(scene), PIL.Image.open(other)]
    inputs = processor(text=["<OD>", "<CAPTION>"], images=images)
    both = model.generate(**inputs)
    for i in range(2):
        alone = processor(text=["<OD>", "<CAPTION>"][i], images=images[i])
        assert model.generate(**alone) == [both[i]]
    # Ids that went through other hands are taken if they are a prompt's.
    assert model.generate([list(inputs["input_ids"][0])], inputs["pixel_values"][:1]) == [both[0]]
    with pytest.raises(uffizi.PromptError):
        model.generate([[5, 6, 7]], inputs["pixel_values"][:1])
    with pytest.raises(uffizi.ArgumentError):
        processor(text=["<OD>"], images=images)
    for thing in (model, inputs):
        with pytest.raises(uffizi.UnsupportedError, match="CPU"):
            thing.to("cuda:0")
    assert model.to("cpu").eval() is model
    assert processor.post_process_generation("<s>hi</s>", task="<DocVQA>", image_size=(9, 9)) == {
        "<DocVQA>": "hi"
    }


def test_arguments_that_scripts_carry(loaded, tmp_path):
    """The keywords of the model cards' and the fine-tunes' scripts since transformers 4.50."""
    model = AutoModelForCausalLM.from_pretrained(
        "uffizi-tiny",
        trust_remote_code=True,
        attn_implementation="eager",
        device_map="cpu",
        low_cpu_mem_usage=True,
        local_files_only=True,
        cache_dir=tmp_path,
        token="hf_x",
        torch_dtype="auto",
    ).eval()
    processor = AutoProcessor.from_pretrained("uffizi-tiny", trust_remote_code=True, use_fast=True)
    assert str(model.device) == "cpu" and "float32" in str(model.dtype)
    assert model.config.text_config.d_model == model.config.to_dict()["text_config"]["d_model"]
    inputs = processor(
        text=["<CAPTION>", "<OD>"], images=[PIL.Image.new("RGB", (64, 48))] * 2, padding=True
    )
    assert {len(row) for row in inputs.input_ids} == {len(inputs.attention_mask[0])}
    ids = model.generate(
        **inputs, use_cache=False, num_return_sequences=1, pad_token_id=1, max_new_tokens=8
    )
    alone = model.generate(
        **processor(text="<OD>", images=PIL.Image.new("RGB", (64, 48))), max_new_tokens=8
    )
    assert ids[1] == alone[0] and len(ids) == 2
    assert processor.tokenizer.decode(ids[0]) == processor.decode(ids[0])


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"attn_implementation": "flash_attention_2"}, "attn_implementation"),
        ({"device_map": "cuda:0"}, "device_map"),
        ({"load_in_4bit": True}, "load_in_4bit"),
        ({"subfolder": "x"}, "subfolder"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(arguments, named):
    with pytest.raises((uffizi.Error, TypeError), match=named):
        AutoModelForCausalLM.from_pretrained("uffizi-tiny", **arguments)


def test_generation_arguments_are_refused_by_name(loaded):
    model, processor = loaded
    inputs = processor(text="<OD>", images=PIL.Image.new("RGB", (64, 48)))
    for arguments in (
        {"num_return_sequences": 3},
        {"forced_bos_token_id": 7},
        {"penalty_alpha": 0.6},
    ):
        with pytest.raises((uffizi.Error, TypeError), match=next(iter(arguments))):
            model.generate(**inputs, **arguments)


def test_tensors_of_numpy_give_the_same_ids(loaded, pictures):
    model, processor = loaded
    image = PIL.Image.open(next(iter(sorted(pictures.glob("*.jpg"))))).convert("RGB")
    plain = model.generate(**processor(text="<OD>", images=image), max_new_tokens=20, num_beams=1)
    inputs = processor(text="<OD>", images=image, return_tensors="np")
    side = model._model.info["image_height"]
    assert (
        inputs.pixel_values.shape == (1, 3, side, side) and inputs.pixel_values.dtype == "float32"
    )
    tensors = model.generate(**inputs, max_new_tokens=20, num_beams=1)
    assert tensors.dtype == "int64" and tensors.tolist() == plain

    class Config:  # as GenerationConfig has them
        def to_diff_dict(self):
            return {"num_beams": 1, "max_new_tokens": 20, "transformers_version": "5.0"}

    assert model.generate(**inputs, generation_config=Config()).tolist() == plain
