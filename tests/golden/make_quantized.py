"""Makes tests/data/model/quantized.json.gz: what transformers computes from folders of uffizi quantize.

Needs a release build, and torch, transformers and compressed-tensors. The folders come from some of
make_model.py's random models, so that the file holds configs, inputs and results only.
"""

import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from make_model import MODELS, TEXT, VISION, run_case
from transformers import CompressedTensorsConfig, Florence2ForConditionalGeneration

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build" / "release" / "bin"
OUT = ROOT / "tests" / "data" / "model" / "quantized.json.gz"
# Name in MODELS, and how it is quantized.
CASES = [
    ("windows_padded", {"bits": 4, "group_size": 32, "symmetric": True}),
    ("large_window", {"bits": 4, "group_size": 32, "symmetric": False}),
    ("odd_widths", {"bits": 8, "group_size": 32, "symmetric": True}),
]


def main() -> None:
    torch.set_num_threads(1)
    models = []
    names = [model[0] for model in MODELS]
    for name, quantized in CASES:
        seed = names.index(name)
        _, vision_changes, text_changes, size, saved = MODELS[seed]
        vision, text = VISION | vision_changes, TEXT | text_changes
        config = {"model_type": "florence2", "vision_config": vision, "text_config": text}
        stored = json.loads(json.dumps(config))
        microsoft = saved.get("layout") == "microsoft"
        if microsoft:
            stored["vision_config"]["dim_embed"] = stored["vision_config"].pop("embed_dim")
        with tempfile.TemporaryDirectory() as work:
            source, out = pathlib.Path(work, "source"), pathlib.Path(work, "out")
            source.mkdir()
            (source / "config.json").write_text(json.dumps(stored))
            preprocess = {"size": {"width": size[0], "height": size[1]}, "resample": 3}
            (source / "preprocessor_config.json").write_text(json.dumps(preprocess))
            command = [BIN / "make_random_model", source, "--seed", str(seed)]
            command += ["--microsoft"] if microsoft else []
            command += ["--f32"] if saved.get("dtype", "F32") == "F32" else []
            subprocess.run(command, check=True)
            command = [BIN / "uffizi", "quantize", source, out, "--quiet"]
            command += ["--bits", str(quantized["bits"])]
            command += ["--group-size", str(quantized["group_size"])]
            command += ["--no-smoothing"]
            command += [] if quantized["symmetric"] else ["--asymmetric"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            model = Florence2ForConditionalGeneration.from_pretrained(
                out,
                quantization_config=CompressedTensorsConfig(dequantize=True),
                dtype=torch.float32,
            ).eval()
        random = np.random.default_rng(seed)
        ids = [0, *random.integers(4, text["vocab_size"] - 1, 6).tolist(), 2]
        cases = [run_case(model, size, kind, ids) for kind in range(2)]
        models.append(
            {
                "name": name,
                "seed": seed,
                "config": config,
                "size": size,
                "saved": saved,
                "quantized": quantized,
                "cases": cases,
            }
        )
        print(name, [search["ids"][:8] for search in cases[0]["searches"]], flush=True)
    with open(OUT, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
        packed.write(json.dumps({"models": models}).encode())
    print(f"{OUT}: {OUT.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
