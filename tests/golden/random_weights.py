"""Random weights and pictures that C++ makes alike: see tests/support/random_model.cc.

Every value is a function of the weight's transformers-native name, a seed and the value's place, so
that a golden needs to store no weights.
"""

import math

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash_name(name: str) -> int:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def _distribution(name: str, shape) -> tuple[float, float]:
    if "norm" in name and name.endswith(".weight"):
        return 1.0, 0.2
    if name.endswith("bias"):
        return 0.0, 0.1
    if "embed_positions" in name or "position_embed" in name:
        return 0.0, 1.0
    if "embed_tokens" in name or "shared" in name or "lm_head" in name:
        return 0.0, 0.3
    return 0.0, math.sqrt(3.0 / math.prod(shape[1:]))


def random_weight(name: str, shape, seed: int) -> np.ndarray:
    """The weight of that native name, f32, in the given shape."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        start = _mix(np.uint64(_hash_name(name)) + np.uint64(seed) * GOLDEN)
        offset, spread = (np.float32(v) for v in _distribution(name, shape))
        out = np.empty(count, np.float32)
        for begin in range(0, count, 1 << 22):
            index = np.arange(begin + 1, min(begin + (1 << 22), count) + 1, dtype=np.uint64)
            bits = _mix(start + index * GOLDEN) >> np.uint64(40)
            uniform = bits.astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
            out[begin : begin + len(index)] = offset + spread * uniform
    return out.reshape(shape)


def pattern_picture(width: int, height: int, kind: int) -> np.ndarray:
    """[height, width, 3] uint8."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    value = (x * (7 + kind) // 4 + y * (13 - kind) // 8 + c * 50) ^ (x * y >> (4 + c))
    return (value & 255).astype(np.uint8)
