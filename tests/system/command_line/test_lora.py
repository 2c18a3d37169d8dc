"""--lora as a user meets it. That merging equals peft's is seen in tests/engine/adapters_test.cc."""

import json
import shutil
import subprocess
import time

import numpy as np
import pytest
from test_command_line import COMMAND, MODEL, SOURCE, records, run

PICTURE = SOURCE / "samples" / "football.jpg"
LAYERS = [
    "model.language_model.encoder.layers.0.fc1",
    "model.language_model.decoder.layers.1.self_attn.v_proj",
    "model.vision_tower.blocks.1.0.channel_block.channel_attn.qkv",
]


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: (
            entry["dtype"],
            entry["shape"],
            data[slice(*(8 + length + at for at in entry["data_offsets"]))],
        )
        for name, entry in header.items()
    }


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + len(content)],
        }
        offset += len(content)
    text = json.dumps(header).encode()
    path.write_bytes(
        len(text).to_bytes(8, "little") + text + b"".join(part for _, _, part in tensors.values())
    )


def floats(tensor):
    dtype, shape, content = tensor
    return (
        np.frombuffer(content, {"F16": np.float16, "F32": np.float32}[dtype])
        .astype(np.float32)
        .reshape(shape)
    )


@pytest.fixture(scope="module")
def base():
    return read_safetensors(MODEL / "model.safetensors")


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, base):
    """Two adapters, and what each adds to the layers."""
    made = []
    random = np.random.default_rng(5)
    for number, alpha in enumerate((2, 12)):
        folder = tmp_path_factory.mktemp("adapter")
        tensors, deltas = {}, {}
        for layer in LAYERS[number:]:
            rows, columns = base[layer + ".weight"][1]
            a = random.normal(0, 1 / np.sqrt(columns), (4, columns)).astype(np.float32)
            b = random.normal(0, 1, (rows, 4)).astype(np.float32)
            for part, values in (("A", a), ("B", b)):
                tensors[f"base_model.model.{layer}.lora_{part}.weight"] = (
                    "F32",
                    values.shape,
                    values.tobytes(),
                )
            deltas[layer] = alpha / 4 * b @ a
        write_safetensors(folder / "adapter_model.safetensors", tensors)
        (folder / "adapter_config.json").write_text(
            json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": alpha})
        )
        made.append((folder, deltas))
    return made


@pytest.fixture(scope="module")
def merged(tmp_path_factory, base, adapters):
    """The model with the first adapter and half of the second, merged by numpy."""
    folder = tmp_path_factory.mktemp("merged") / "model"
    shutil.copytree(MODEL, folder)
    tensors = dict(base)
    for layer in LAYERS:
        name = layer + ".weight"
        values = floats(base[name]) + adapters[0][1][layer] + 0.5 * adapters[1][1].get(layer, 0)
        tensors[name] = ("F32", base[name][1], values.astype(np.float32).tobytes())
    write_safetensors(folder / "model.safetensors", tensors)
    return folder


@pytest.fixture(scope="module")
def options(adapters):
    return ["--lora", adapters[0][0], "--lora", f"{adapters[1][0]}=0.5"]


def ids(*options):
    return records(PICTURE, "--task", "detailed_caption", "--compute", "f32", *options)[0][
        "token_ids"
    ]


def test_answers_are_those_of_the_merged_model(merged, options):
    answer = ids("--model", MODEL, *options)
    assert answer == ids("--model", merged)
    assert answer != ids("--model", MODEL)
    assert answer != ids("--model", MODEL, *options[:2])


def test_info_names_them(adapters, options):
    text = run("info", MODEL, *options).stdout.decode()
    assert f"{adapters[1][0]}, weight 0.5" in text
    stored = json.loads(run("info", MODEL, *options, "--json").stdout)["lora"]
    assert stored == [
        {"source": str(adapters[0][0]), "weight": 1},
        {"source": str(adapters[1][0]), "weight": 0.5},
    ]


@pytest.mark.parametrize("more", [(), ("--calibrate", PICTURE)], ids=["", "calibrated"])
def test_a_merged_folder_in_4_bits(tmp_path, merged, options, more):
    for out, arguments in (("one", [MODEL, *options]), ("other", [merged])):
        run("quantize", arguments[0], tmp_path / out, *arguments[1:], *more, "--quiet")
    one, other = (
        read_safetensors(tmp_path / out / "model.safetensors") for out in ("one", "other")
    )
    assert one.keys() == other.keys()
    for name in one:  # codes may differ where a sum was rounded the other way
        if name.endswith("_packed"):
            assert (
                np.mean(
                    np.frombuffer(one[name][2], np.uint8) != np.frombuffer(other[name][2], np.uint8)
                )
                < 1e-3
            )


def test_on_top_of_4_bits(tmp_path, options):
    run("quantize", MODEL, tmp_path / "plain", "--quiet")
    run("info", tmp_path / "plain", *options)  # the changed layers are rounded again


def test_a_job_does_not_go_on_with_other_adapters(tmp_path, options):
    pictures = [SOURCE / "samples"] * 50  # long enough to be stopped
    arguments = ["annotate", *pictures, "--task", "od", "--output", tmp_path / "answers.jsonl"]
    journal = tmp_path / "answers.jsonl.job" / "journal.json"
    process = subprocess.Popen([COMMAND, *map(str, arguments)], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (
        journal.exists() and json.loads(journal.read_text())["done"] > 0
    ):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert b"adapters: then none, now 1 times" in run(*arguments, *options, code=2).stderr


@pytest.mark.parametrize(
    "value, code, word",
    [
        ("no-such-adapter", 2, "no-such-adapter"),
        ("x=heavy", 2, "weight"),
        (f"{SOURCE}=nan", 2, "weight"),
        (SOURCE / "samples", 3, "adapter_config.json"),
        (SOURCE / "tests/data/lora/linear", 3, "shape [96, 32]"),
    ],
)
def test_what_is_wrong(value, code, word):
    for command in (["annotate", PICTURE, "--task", "od"], ["info"], ["serve", "--port", "0"]):
        done = run(*command, "--lora", value, code=code)
        assert word in done.stderr.decode()
