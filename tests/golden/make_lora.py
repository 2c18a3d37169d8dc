"""Makes tests/data/lora: adapters that peft saved, and what peft's merge of each into a model computes.

Needs torch, transformers and peft. The model is one of make_model.py's random ones, so that the files
hold the adapters, inputs and results only.

    python3 tests/golden/make_lora.py
"""

import copy
import gzip
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
from make_model import MODELS, TEXT, VISION, build, run_case
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from random_weights import random_weight

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "lora"
BASE = "plain"  # of MODELS
LAYERS = r".*(blocks\.[03]\..*\.(qkv|fc1|proj)|encoder\.layers\.1\..*(q_proj|fc2)|decoder\.layers\.0\..*(k_proj|fc1))"
ADAPTERS = {
    "linear": dict(
        r=4,
        lora_alpha=6,
        target_modules=LAYERS + r"|.*image_projection",
        rank_pattern={"fc1": 2, r"layers\.\d+\.self_attn\.k_proj": 3},
        alpha_pattern={"qkv": 3, r"^model\.language_model\.encoder\.layers\.1\.fc2": 12},
    ),
    "stabilized": dict(
        r=3,
        lora_alpha=4,
        use_rslora=True,
        lora_bias=True,
        target_modules=["q_proj", "window_attn.proj"],
        rank_pattern={"q_proj": 5},
    ),
    "convolutions": dict(
        r=2,
        lora_alpha=4,
        target_modules=r".*convs\.\d\.conv|.*row_embeddings|.*\.embed_positions",
    ),
    "dora": dict(
        r=4,
        lora_alpha=4,
        use_dora=True,
        target_modules=["convs.1.conv", "fc2", "v_proj", "channel_attn.qkv"],
    ),
    "tied": dict(r=2, lora_alpha=4, target_modules=["decoder.embed_tokens"]),
    "head": dict(
        r=2, lora_alpha=4, bias="all", target_modules=["out_proj"], modules_to_save=["lm_head"]
    ),
}
# Adapters whose config says that layers keep [in, out], as Conv1D does. None of Florence-2 is such a layer: peft
# corrects it when it saves, and warns and goes by the layer when it loads.
FAN_IN_FAN_OUT = ["linear", "dora"]
# Adapters that are merged together, and what each counts.
CASES = [{name: 1.0} for name in ADAPTERS] + [
    {"linear": 0.5, "stabilized": -1.25},
    {"stabilized": 1.0, "dora": 1.0},
]


def is_adapter(name: str) -> bool:
    return "lora_" in name or "modules_to_save" in name or name.endswith("bias")


@torch.no_grad()
def save(base, name: str, seed: int) -> None:
    """An adapter with random weights, which fit in 16 bits, as peft saves it."""
    model = get_peft_model(copy.deepcopy(base), LoraConfig(**ADAPTERS[name]))
    names = [key for key, _ in model.named_parameters() if is_adapter(key)]
    for key in names:
        parameter = model.get_parameter(key)
        if key.endswith("bias") and "lora_" not in key and ADAPTERS[name].get("bias") is None:
            continue
        values = torch.from_numpy(random_weight(key, tuple(parameter.shape), seed))
        if "magnitude" in key:
            values = parameter * (1 + 0.5 * values)
        elif "lora_" in key or "modules_to_save" in key:
            values = values * 0.4 if "lora_B" in key and values.dim() > 1 else values
        parameter.data = values.half()
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    if name in FAN_IN_FAN_OUT:
        file = folder / "adapter_config.json"
        file.write_text(
            file.read_text().replace('"fan_in_fan_out": false', '"fan_in_fan_out": true')
        )


@torch.no_grad()
def merge(base, case: dict[str, float]):
    model = None
    for name in case:
        if model is None:
            model = PeftModel.from_pretrained(copy.deepcopy(base), OUT / name, adapter_name=name)
        else:
            model.load_adapter(OUT / name, adapter_name=name)
    for module in model.modules():
        for name, weight in case.items():
            if isinstance(module, LoraLayer) and name in module.scaling:
                module.scaling[name] *= weight
    return model.merge_and_unload(adapter_names=list(case)).eval()


def main() -> None:
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    seed = [model[0] for model in MODELS].index(BASE)
    _, vision_changes, text_changes, size, saved = MODELS[seed]
    vision, text = VISION | vision_changes, TEXT | text_changes
    base = build(vision, text, saved, seed)
    random = np.random.default_rng(seed)
    ids = [0, *random.integers(4, text["vocab_size"] - 1, 6).tolist(), 2]
    plain = run_case(base, size, 0, ids)
    for number, name in enumerate(ADAPTERS):
        save(base, name, 100 + number)
    models = []
    for case in CASES:
        result = run_case(merge(base, case), size, 0, ids)
        for key in ("vision", "encoder", "logits"):
            change = np.abs(np.subtract(result[key]["values"], plain[key]["values"])).max()
            print(case, key, "changes by", change / plain[key]["max"], flush=True)
        assert change > 0.05 * plain["logits"]["max"]
        models.append(
            {
                "name": " + ".join(case),
                "adapters": case,
                "seed": seed,
                "size": size,
                "saved": saved,
                "config": {"model_type": "florence2", "vision_config": vision, "text_config": text},
                "cases": [result],
            }
        )
    file = OUT / "goldens.json.gz"
    with open(file, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
        packed.write(json.dumps({"models": models}).encode())
    print(f"{file}: {file.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
