"""Matrices that compressed-tensors packed, and what it unpacks from them: tests/data/quant."""

import json
import pathlib
import sys

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationScheme
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent.parent / "data" / "quant"
# bits, strategy, group size, symmetric, rows, columns, type of the scales
CASES = [
    (4, "group", 32, True, 20, 64, torch.float32),
    (4, "group", 64, False, 13, 128, torch.float32),
    (4, "channel", None, True, 5, 36, torch.float16),
    (4, "channel", None, False, 9, 26, torch.bfloat16),
    (8, "group", 32, False, 7, 96, torch.float32),
    (8, "channel", None, True, 6, 27, torch.float16),
    (8, "channel", None, False, 3, 40, torch.float32),
]


def main() -> None:
    torch.manual_seed(4)
    compressor = BaseCompressor.get_value_from_registry("pack-quantized")
    tensors, groups = {}, {}
    for i, (bits, strategy, group, symmetric, rows, columns, dtype) in enumerate(CASES):
        arguments = {
            "num_bits": bits,
            "type": "int",
            "strategy": strategy,
            "group_size": group,
            "symmetric": symmetric,
            "dynamic": False,
        }
        scheme = QuantizationScheme(targets=[f"layer{i}"], weights=arguments)
        count = 1 if strategy == "channel" else columns // group
        scale = (torch.rand(rows, count) + 0.5).to(dtype) / 16
        half = 1 << (bits - 1)
        zero = torch.randint(-half, half, (rows, count), dtype=torch.int8)
        if symmetric:
            zero = torch.zeros_like(zero)
        # Values of the whole range of codes, whatever the zero point.
        codes = torch.randint(-half, half, (rows, columns))
        each = columns if strategy == "channel" else group
        weight = scale.repeat_interleave(each, 1) * (codes - zero.repeat_interleave(each, 1))
        state = {"weight": weight.to(dtype), "weight_scale": scale, "weight_zero_point": zero}
        packed = compressor.compress(state, scheme)
        assert "weight_zero_point" in packed or symmetric
        for name, value in packed.items():
            tensors[f"layer{i}.{name}"] = value.contiguous()
        tensors[f"layer{i}.expected"] = compressor.decompress(packed, scheme)["weight"].float()
        groups[f"group_{i}"] = {"targets": [f"layer{i}"], "weights": arguments}
    config = {
        "quantization_config": {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "quantization_status": "compressed",
            "config_groups": groups,
            "ignore": ["lm_head"],
        }
    }
    OUT.mkdir(parents=True, exist_ok=True)
    save_file(tensors, OUT / "model.safetensors")
    (OUT / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{OUT}: {(OUT / 'model.safetensors').stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
