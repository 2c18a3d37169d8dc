"""Writes a model like another whose matrices are not yet rounded to 4 bits, as those of the included model are: its
matrices get about as much noise as such rounding makes.

    python unrounded.py MODEL OUT [--seed N]

MODEL is a folder under transformers' names. What is changed is stored in float32."""

import argparse
from pathlib import Path

import numpy as np
from outliers import Model, write_model

NOISE = 0.1  # of the root mean square of a matrix's row


def write_unrounded(model: Path, out: Path, seed: int = 0) -> Path:
    """Writes such a model to the folder `out`, which is returned."""
    noisy = Model(model, factor=1, seed=seed)
    for name, values in noisy.tensors.items():
        if values.ndim == 2 and not any(table in name for table in ("embed", "shared", "lm_head")):
            size = np.sqrt(np.square(values).mean(1, keepdims=True))
            noisy[name] = values + NOISE * size * noisy.random.standard_normal(values.shape)
    write_model(noisy, model, out)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    options = parser.parse_args()
    write_unrounded(**vars(options))


if __name__ == "__main__":
    main()
