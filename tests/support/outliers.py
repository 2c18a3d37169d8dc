"""Writes a model that computes the same function as another, but with the outliers that trained models have: in a few
channels, activations are R times larger and the weights that read them R times smaller, or a constant of that size is
added and taken off again by those who read it. In float32 the answers stay the same; arithmetic that rounds is tried.

    python outliers.py MODEL OUT --factor 100 --seed 1 [--kinds norm value ...]

MODEL is a folder under transformers' names. All that is changed is stored in float32."""

import argparse
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
TEXT = "model.language_model."
VISION = "model.vision_tower."
SHARE = 0.03  # of a layer's channels that become outliers; at least one


class Model:
    """A folder's tensors and config, with the random choice of channels."""

    def __init__(self, folder: Path, factor: float, seed: int) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.preprocessor = json.loads((folder / "preprocessor_config.json").read_text())
        self.tensors = read_safetensors(folder / "model.safetensors")
        self.factor = factor
        self.random = np.random.default_rng(seed)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def __setitem__(self, name: str, values: np.ndarray) -> None:
        self.tensors[name] = values

    def endings(self, ending: str) -> list[str]:
        """What stands before `ending` in the names that have it."""
        return sorted(name[: -len(ending)] for name in self.tensors if name.endswith(ending))

    def channels(self, count: int) -> np.ndarray:
        return self.random.choice(count, max(1, round(SHARE * count)), replace=False)

    def factors(self, count: int) -> np.ndarray:
        """One for most channels, about `factor` for a few."""
        factors = np.ones(count)
        chosen = self.channels(count)
        factors[chosen] = self.factor ** self.random.uniform(0.8, 1.0, len(chosen))
        return factors

    def offsets(self, count: int, size: float = 1.0) -> np.ndarray:
        """Zero for most channels, about `factor` times `size`, of either sign, for a few."""
        factors = self.factors(count)
        return np.where(factors > 1, factors * size * self.random.choice([-1, 1], count), 0.0)

    def dims(self, layers: str) -> int:
        return self.config["text_config"][layers]


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = values.astype(np.float64) if entry["dtype"].startswith("F") else values
    return tensors


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header: dict[str, dict] = {"__metadata__": {"format": "pt"}}
    blobs, at = [], 0
    for name, values in tensors.items():
        stored = values.astype(np.float32) if values.dtype == np.float64 else values
        kind = next(kind for kind, dtype in TYPES.items() if dtype == stored.dtype)
        blobs.append(np.ascontiguousarray(stored).tobytes())
        header[name] = {
            "dtype": kind,
            "shape": list(values.shape),
            "data_offsets": [at, at + len(blobs[-1])],
        }
        at += len(blobs[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def write_model(model: Model, source: Path, out: Path) -> None:
    """A new folder with the model's tensors and configs, and the other JSON files of the one that it was read from."""
    out.mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix == ".json":
            shutil.copy(file, out)
    (out / "config.json").write_text(json.dumps(model.config, indent=2))
    (out / "preprocessor_config.json").write_text(json.dumps(model.preprocessor, indent=2))
    write_safetensors(out / "model.safetensors", model.tensors)


def scale_norm(model: Model, norm: str, readers: list[str]) -> None:
    """A norm that only these layers read. A convolution's weight has its input channels second, as a matrix has."""
    factors = model.factors(len(model[norm + ".weight"]))
    model[norm + ".weight"] = model[norm + ".weight"] * factors
    model[norm + ".bias"] = model[norm + ".bias"] * factors
    for reader in readers:
        weight = model[reader + ".weight"]
        model[reader + ".weight"] = weight / factors.reshape([1, -1] + [1] * (weight.ndim - 2))


def norm(model: Model) -> None:
    """DaViT's norms, against queries, keys and values, and against the first layer of the MLP."""
    for block in model.endings(".norm1.weight"):
        attention = ".window_attn" if "spatial" in block else ".channel_attn"
        scale_norm(model, block + ".norm1", [block + attention + ".qkv"])
        scale_norm(model, block + ".norm2", [block + ".ffn.fc1"])


def convolution(model: Model) -> None:
    """The norms before DaViT's convolutions, against these; and a colour against the first of them."""
    for stage, first in enumerate(model.config["vision_config"]["patch_prenorm"]):
        if first:
            scale_norm(model, f"{VISION}convs.{stage}.norm", [f"{VISION}convs.{stage}.conv"])
    factors = np.array([1.0, model.factor, 1.0])
    weight = VISION + "convs.0.conv.weight"
    model[weight] = model[weight] / factors.reshape(1, 3, 1, 1)
    std = np.array(model.preprocessor.get("image_std", [0.229, 0.224, 0.225]))
    model.preprocessor["image_std"] = (std / factors).tolist()


def value(model: Model) -> None:
    """Values against the layer behind attention. Channel attention mixes the channels of a group, which stay alike."""
    for attention in model.endings(".v_proj.weight"):
        rows, out = attention + ".v_proj", attention + ".out_proj.weight"
        factors = model.factors(model[out].shape[1])
        model[rows + ".weight"] = model[rows + ".weight"] * factors[:, None]
        model[rows + ".bias"] = model[rows + ".bias"] * factors
        model[out] = model[out] / factors
    for attention in model.endings(".qkv.weight"):
        rows, out = attention + ".qkv", attention + ".proj.weight"
        width = model[out].shape[1]
        factors = model.factors(width)
        if "channel" in attention:
            stage = int(attention.removeprefix(VISION + "blocks.").split(".")[0])
            groups = model.config["vision_config"]["num_groups"][stage]
            factors = np.repeat(model.factors(groups), width // groups)
        whole = np.concatenate([np.ones(2 * width), factors])
        model[rows + ".weight"] = model[rows + ".weight"] * whole[:, None]
        model[rows + ".bias"] = model[rows + ".bias"] * whole
        model[out] = model[out] / factors


def key(model: Model) -> None:
    """Queries against keys, each dimension of a head by itself; the other way around for every second layer."""
    for number, attention in enumerate(model.endings(".k_proj.weight")):
        factors = model.factors(len(model[attention + ".k_proj.bias"]))
        if number % 2:
            factors = 1 / factors
        for layer, rows in ((".k_proj", factors), (".q_proj", 1 / factors)):
            model[attention + layer + ".weight"] = (
                model[attention + layer + ".weight"] * rows[:, None]
            )
            model[attention + layer + ".bias"] = model[attention + layer + ".bias"] * rows
    for attention in model.endings(".window_attn.qkv.weight"):
        layer = attention + ".window_attn.qkv"
        width = len(model[layer + ".bias"]) // 3
        factors = model.factors(width)
        rows = np.concatenate([1 / factors, factors, np.ones(width)])
        model[layer + ".weight"] = model[layer + ".weight"] * rows[:, None]
        model[layer + ".bias"] = model[layer + ".bias"] * rows


def state(model: Model) -> None:
    """The text encoder's last norm, against keys and values of the decoder's layers; the decoder's last norm, against an
    output layer that is made the decoder's own."""
    last = model.dims("encoder_layers") - 1
    readers = [
        p + layer for p in model.endings(".encoder_attn.k_proj.weight") for layer in KEYS_AND_VALUES
    ]
    scale_norm(model, f"{TEXT}encoder.layers.{last}.final_layer_norm", readers)
    model["lm_head.weight"] = model[TEXT + "shared.weight"]
    last = model.dims("decoder_layers") - 1
    scale_norm(model, f"{TEXT}decoder.layers.{last}.final_layer_norm", ["lm_head"])
    model.config["tie_word_embeddings"] = model.config["text_config"]["tie_word_embeddings"] = False


KEYS_AND_VALUES = (".encoder_attn.k_proj", ".encoder_attn.v_proj")


def offset(model: Model) -> None:
    """A constant in BART's norms, that their readers' biases take off, and that the residual sum loses before the next
    norm; constants in keys, which no softmax sees, and in values, which come through attention as they are."""
    for attention in model.endings(".k_proj.weight"):
        bias = model[attention + ".k_proj.bias"]
        model[attention + ".k_proj.bias"] = bias + model.offsets(len(bias))
        bias = model[attention + ".v_proj.bias"]
        added = model.offsets(len(bias))
        model[attention + ".v_proj.bias"] = bias + added
        take_off(model, attention + ".out_proj", added)
    for side in ("encoder", "decoder"):
        norm_name = f"{TEXT}{side}.layernorm_embedding"
        for index in range(model.dims(side + "_layers")):
            layer = f"{TEXT}{side}.layers.{index}"
            steps = [(".self_attn", [".q_proj", ".k_proj", ".v_proj"], ".self_attn_layer_norm")]
            if side == "decoder":
                steps.append((".encoder_attn", [".q_proj"], ".encoder_attn_layer_norm"))
            for attention, readers, following in steps:
                move_norm(
                    model,
                    norm_name,
                    [layer + attention + reader for reader in readers],
                    layer + attention + ".out_proj",
                )
                norm_name = layer + following
            move_norm(model, norm_name, [layer + ".fc1"], layer + ".fc2")
            norm_name = layer + ".final_layer_norm"


def move_norm(model: Model, name: str, readers: list[str], adder: str) -> None:
    added = model.offsets(len(model[name + ".bias"]))
    model[name + ".bias"] = model[name + ".bias"] + added
    for reader in readers:
        take_off(model, reader, added)
    model[adder + ".bias"] = model[adder + ".bias"] - added


def take_off(model: Model, layer: str, added: np.ndarray) -> None:
    """The layer gives what it gave before `added` came to its input."""
    model[layer + ".bias"] = model[layer + ".bias"] - model[layer + ".weight"] @ added


def hidden(model: Model) -> None:
    """Hidden units that always give the same, large value, for which the layer behind makes up: GELU lets no unit be
    scaled. The new units stand between the others."""
    text = model.config["text_config"]
    text["encoder_ffn_dim"] += 64
    text["decoder_ffn_dim"] += 64
    model.config["vision_config"]["mlp_ratio"] += 1
    for mlp in model.endings("fc1.weight"):
        weight, bias = model[mlp + "fc1.weight"], model[mlp + "fc1.bias"]
        count = weight.shape[1] if "vision" in mlp else 64
        back = model[mlp + "fc2.weight"]
        order = model.random.permutation(len(bias) + count)
        values = np.abs(model.offsets(count))
        columns = back[:, model.random.choice(back.shape[1], count)]
        model[mlp + "fc1.weight"] = np.concatenate([weight, np.zeros((count, weight.shape[1]))])[
            order
        ]
        model[mlp + "fc1.bias"] = np.concatenate([bias, values])[order]
        model[mlp + "fc2.weight"] = np.concatenate([back, columns], 1)[:, order]
        model[mlp + "fc2.bias"] = model[mlp + "fc2.bias"] - columns @ values


def embedding(model: Model) -> None:
    """A constant in the embeddings that positions take off again. The tied output layer adds the same to all logits."""
    name = TEXT + "shared.weight"
    added = model.offsets(model[name].shape[1], float(model[name].std()))
    model[name] = model[name] + added
    for side in ("encoder", "decoder"):
        positions = f"{TEXT}{side}.embed_positions.weight"
        model[positions] = model[positions] - added
    bias = "model.multi_modal_projector.image_proj_norm.bias"
    model[bias] = model[bias] + added


KINDS: dict[str, Callable[[Model], None]] = {
    kind.__name__: kind
    for kind in (norm, convolution, value, key, state, offset, hidden, embedding)
}


def write_outliers(
    model: Path, out: Path, factor: float = 100, seed: int = 0, kinds: Iterable[str] = KINDS
) -> Path:
    """Writes a model like `model` with outliers to the folder `out`, which is returned."""
    changed = Model(model, factor, seed)
    for kind in kinds:
        KINDS[kind](changed)
    write_model(changed, model, out)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--factor", type=float, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    write_outliers(**vars(options))


if __name__ == "__main__":
    main()
