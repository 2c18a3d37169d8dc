"""uffizi quantize as a user meets it, and its folders as transformers does."""

import json
import os
import pathlib
import shutil
import struct
import subprocess

import numpy as np
import outliers
import pytest
from unrounded import write_unrounded

COMMAND = os.environ["UFFIZI_COMMAND"]
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"


def run(*arguments, code=0):
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, timeout=600)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def quantize(*arguments, model=MODEL):
    return json.loads(run("quantize", model, *arguments, "--json").stdout)


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    types = {"F16": np.float16, "F32": np.float32, "I32": np.uint32, "I64": np.int64}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in types:
            begin, end = (8 + length + at for at in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], types[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    return tensors


def unpack(tensors, module, bits):
    """The values of a packed layer, by the format's description."""
    rows, columns = tensors[f"{module}.weight_shape"]
    scale = tensors[f"{module}.weight_scale"].astype(np.float32)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    mask = np.uint32((1 << bits) - 1)
    codes = (tensors[f"{module}.weight_packed"][:, :, None] >> shifts & mask).reshape(rows, -1)
    codes = codes[:, :columns].astype(np.int64)
    zero = np.full(scale.shape, 1 << (bits - 1))
    if f"{module}.weight_zero_point" in tensors:
        words = tensors[f"{module}.weight_zero_point"]
        zero = (words[:, None, :] >> shifts[None, :, None] & mask).reshape(-1, words.shape[1])
        zero = zero[:rows].astype(np.int64)
    each = columns // scale.shape[1]
    return scale.repeat(each, 1) * (codes - zero.repeat(each, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("football.jpg", "shop.jpg"):
        shutil.copy(SOURCE / "samples" / name, folder)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ["--bits", 4, "--group-size", 32],
        ["--bits", 4],
        ["--bits", 4, "--asymmetric"],
        ["--bits", 8],
    ],
)
def test_a_folder_holds_what_the_report_says(tmp_path, options):
    out = tmp_path / "int4"
    report = quantize(out, *options, "--no-smoothing")
    bits = 8 if 8 in options else 4
    group = 32 if 32 in options else 64
    assert report["bytes_after"] < report["bytes_before"] * (0.75 if bits == 8 else 0.6)
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    weights = config["config_groups"]["group_0"]["weights"]
    assert config["format"] == "pack-quantized"
    assert (weights["num_bits"], weights["group_size"]) == (bits, group)
    assert weights["symmetric"] == ("--asymmetric" not in options)
    before = read_safetensors(MODEL / "model.safetensors")
    after = read_safetensors(out / "model.safetensors")
    seen = 0
    for layer in report["layers"]:
        module = layer["name"].removesuffix(".weight")
        if layer["bits"] == 16:
            assert np.array_equal(after[layer["name"]], before[layer["name"]])
            continue
        weight = before[layer["name"]].astype(np.float32)
        values = unpack(after, module, bits)
        error = np.sqrt(((values - weight) ** 2).sum() / (weight**2).sum())
        assert layer["error"] == pytest.approx(error, rel=1e-3)
        assert layer["error"] < (0.012 if bits == 8 else 0.13)
        # Plain rounding to nearest, to the same grid.
        grouped = weight.reshape(len(weight), -1, group)
        largest = np.abs(grouped).max(2, keepdims=True)
        step = np.maximum(largest, 1e-9) / ((1 << bits) - 1) * 2
        half = 1 << (bits - 1)
        nearest = (np.clip(np.round(grouped / step), -half, half - 1) * step).reshape(weight.shape)
        assert error < np.sqrt(((nearest - weight) ** 2).sum() / (weight**2).sum())
        seen += 1
    assert seen > 50
    for path in MODEL.iterdir():
        if path.suffix != ".safetensors" and path.name != "config.json":
            assert (out / path.name).read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["int4"]  # nothing is left beside it


STATES = "model.language_model.encoder.layers.1.final_layer_norm.weight"


@pytest.mark.parametrize("calibrated", [False, True])
def test_smoothing_folds_into_weights(tmp_path, pictures, calibrated):
    """A norm and its reader, or values and theirs, do together what they did, though each is another."""
    quantize(tmp_path / "q", "--bits", 8, *(["--calibrate", pictures] if calibrated else []))
    before = {
        name: values.astype(np.float32)
        for name, values in read_safetensors(MODEL / "model.safetensors").items()
    }
    after = read_safetensors(tmp_path / "q" / "model.safetensors")
    changed = 0
    for name in [
        n
        for n in before
        if "vision_tower.blocks" in n and n.endswith((".norm1.weight", ".norm2.weight"))
    ]:
        block, _, number = name.removesuffix(".weight").rpartition(".norm")
        attention = ".window_attn.qkv" if "spatial" in block else ".channel_attn.qkv"
        reader = block + (attention if number == "1" else ".ffn.fc1")
        rows = 2 * len(before[name]) if number == "1" else None  # values have factors of their own
        together = (unpack(after, reader, 8) * after[name])[:rows]
        expected = (before[reader + ".weight"] * before[name])[:rows]
        assert np.square(together - expected).sum() < 0.015**2 * np.square(expected).sum()
        ratio = after[name] / before[name]
        bias = name.replace(".weight", ".bias")
        np.testing.assert_allclose(after[bias], before[bias] * ratio, rtol=1e-3, atol=1e-6)
        changed += not np.allclose(ratio, 1)
    for name in [n for n in before if n.endswith(".v_proj.weight")]:
        layer = name.removesuffix(".v_proj.weight")
        values = unpack(after, layer + ".v_proj", 8)
        if "encoder_attn" in layer:  # reads the encoder's last norm, which nothing else does
            values = values * (after[STATES] / before[STATES])
        together = unpack(after, layer + ".out_proj", 8) @ values
        expected = before[layer + ".out_proj.weight"] @ before[name]
        assert np.sqrt(np.square(together - expected).sum() / np.square(expected).sum()) < 0.03
    assert changed > 5


def test_answers_of_both_arithmetics(tmp_path, pictures):
    out = tmp_path / "int4"
    quantize(out, "--group-size", 32)
    info = json.loads(run("info", out, "--json").stdout)
    assert info["compute"] == "int4" and "I4" in info["precision"]
    full = json.loads(run("info", MODEL, "--json").stdout)
    assert info["parameters"] == full["parameters"]
    for compute in ("f32", "int4"):
        done = run(
            "annotate",
            *pictures.iterdir(),
            "--model",
            out,
            "--compute",
            compute,
            "--task",
            "od",
            "--task",
            "caption",
            "--format",
            "jsonl",
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == 4 and all(answer["text"] for answer in answers)


def test_what_is_rounded_is_not_rounded_again(tmp_path):
    unrounded = write_unrounded(MODEL, tmp_path / "model")
    quantize(tmp_path / "once", "--no-smoothing", model=unrounded)
    once = read_safetensors(tmp_path / "once" / "model.safetensors")
    model = outliers.Model(unrounded, factor=1, seed=0)
    for name in model.tensors:
        module = name.removesuffix(".weight")
        if f"{module}.weight_packed" in once:
            model[name] = unpack(once, module, 4)
    outliers.write_model(model, unrounded, tmp_path / "widened")
    report = quantize(tmp_path / "twice", model=tmp_path / "widened")
    # 8 % for other weights. What is left comes from groups that do not use the largest codes.
    assert max(layer["error"] for layer in report["layers"] if layer["bits"] == 4) < 0.02
    twice = read_safetensors(tmp_path / "twice" / "model.safetensors")
    for name, values in once.items():
        if name.endswith("weight_packed"):
            assert (twice[name] == values).mean() > 0.9, name


def test_calibration_weights_the_error_by_inputs(tmp_path, pictures):
    model = write_unrounded(MODEL, tmp_path / "model")
    options = ("--no-smoothing", "--calibrate", pictures)
    plain = quantize(tmp_path / "plain", "--no-smoothing", model=model)
    weighted = quantize(tmp_path / "weighted", *options, model=model)
    assert plain["bytes_after"] == weighted["bytes_after"]
    one, other = (
        read_safetensors(tmp_path / name / "model.safetensors") for name in ("plain", "weighted")
    )
    changed = [
        n for n in one if n.endswith("weight_packed") and not np.array_equal(one[n], other[n])
    ]
    # Every layer that is quantized has seen inputs.
    assert len(changed) > 0.95 * sum(n.endswith("weight_packed") for n in one)
    # What is best with weights is no better without them.
    for a, b in zip(plain["layers"], weighted["layers"], strict=True):
        if a["bits"] == 4:
            module = a["name"].removesuffix(".weight")
            weight = read_safetensors(model / "model.safetensors")[a["name"]]
            error = np.square(unpack(other, module, 4) - weight).sum()
            assert error >= np.square(unpack(one, module, 4) - weight).sum() * 0.999


def test_refusals(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    assert b"exists" in run("quantize", MODEL, out, code=2).stderr
    assert b"not a model folder" in run("quantize", MODEL, out, "--force", code=2).stderr
    assert (out / "mine.txt").read_text() == "keep"
    assert b"no such model" in run("quantize", tmp_path / "gone", tmp_path / "x", code=2).stderr
    run("quantize", MODEL, tmp_path / "x", "--bits", "5", code=2)
    run("quantize", MODEL, tmp_path / "x", "--group-size", "48", code=2)
    nothing = tmp_path / "nothing.png"
    nothing.write_bytes(b"")
    message = run("quantize", MODEL, tmp_path / "x", "--calibrate", nothing, code=2).stderr
    assert b"nothing.png" in message and b"no picture" in message
    quantize(tmp_path / "x")
    quantize(tmp_path / "x", "--force")
    message = run("quantize", tmp_path / "x", tmp_path / "y", code=2).stderr
    assert b"already quantized" in message
    assert b"itself" in run("quantize", MODEL, MODEL, "--force", code=2).stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nothing.png", "out", "x"]


def read_tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_force_replaces_the_model_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    shutil.copytree(MODEL, out)
    (out / "README.md").write_text("my run")
    (out / "train.py").write_text("import torch")
    (out / "checkpoint-100").mkdir()
    (out / "checkpoint-100" / "optimizer.pt").write_bytes(b"state")
    source = tmp_path / "source"
    shutil.copytree(MODEL, source)
    (source / "README.md").write_text("theirs")
    (source / "NOTICE").write_text("theirs")
    before = read_tree(out)
    run("quantize", source, out, "--force")
    after = read_tree(out)
    assert after.pop("NOTICE") == b"theirs"
    changed = {name for name in before if after[name] != before[name]}
    assert before.keys() == after.keys() and changed == {"model.safetensors", "config.json"}
    assert "quantization_config" in json.loads(after["config.json"])
    run("info", out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "source"]


def test_damaged_folders_are_named(tmp_path):
    quantize(tmp_path / "q")
    weights = tmp_path / "q" / "model.safetensors"
    data = weights.read_bytes()
    name = b"model.language_model.encoder.layers.0.fc1.weight_scale"
    weights.write_bytes(data.replace(name, name.replace(b"scale", b"scalf")))
    message = run("info", tmp_path / "q", code=3).stderr
    assert b"model.safetensors" in message and name in message and b"missing" in message
    weights.write_bytes(data[:-1000])
    assert b"model.safetensors" in run("info", tmp_path / "q", code=3).stderr


def test_transformers_opens_it_and_agrees(tmp_path, pictures):
    torch = pytest.importorskip("torch", reason="torch is not in this environment")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("compressed_tensors")
    quantize(tmp_path / "q", "--group-size", 32)
    config = transformers.CompressedTensorsConfig(dequantize=True)
    model = transformers.Florence2ForConditionalGeneration.from_pretrained(
        tmp_path / "q", quantization_config=config, dtype=torch.float32
    ).eval()
    tensors = read_safetensors(tmp_path / "q" / "model.safetensors")
    state = model.state_dict()
    packed = [n.removesuffix(".weight_packed") for n in tensors if n.endswith(".weight_packed")]
    for module in packed:
        expected = unpack(tensors, module, 4)
        np.testing.assert_allclose(state[f"{module}.weight"].numpy(), expected, rtol=1e-3)
    # Whole answers, float32 on both sides.
    processor = transformers.AutoProcessor.from_pretrained(tmp_path / "q")
    from PIL import Image

    for picture in sorted(pictures.iterdir()):
        inputs = processor(text="<OD>", images=Image.open(picture), return_tensors="pt")
        ids = model.generate(**inputs, num_beams=1, max_new_tokens=60, do_sample=False)[0].tolist()
        done = run(
            "annotate",
            picture,
            "--model",
            tmp_path / "q",
            "--compute",
            "f32",
            "--beams",
            1,
            "--task",
            "od",
            "--format",
            "jsonl",
            "--max-length",
            61,
        )
        ours = json.loads(done.stdout)["token_ids"]
        theirs = ids[1:]
        assert ours == theirs
