"""Quantization-aware training: rounds weights as INT4 will."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn

GROUP = 64  # weights that share a scale, as in `uffizi`
LEAST_CODE, LARGEST_CODE = -8, 7
CLIPS = (1.0, 0.93, 0.86, 0.79)  # scales tried, relative to the one that spans the group
# The scales of a row are multiples of one scale by 1 to 15. That scale has few bits, so that half precision holds all.
LARGEST_FACTOR, UNIT_BITS = 15, 7


def int4_matrices(model: nn.Module) -> dict[str, Tensor]:
    """The matrices that INT4 holds in 4 bits, by name: those of all Linear layers but the projector, which it holds in
    8 bits like the embeddings."""
    return {
        name: parameter
        for name, parameter in linear_matrices(model).items()
        if "multi_modal_projector" not in name
    }


def linear_matrices(model: nn.Module) -> dict[str, Tensor]:
    """The matrices of the Linear layers inside the towers, by name."""
    tables = ("embed", "shared", "lm_head")
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and not any(table in name for table in tables)
    }


def on_grid(groups: Tensor, scales: Tensor) -> Tensor:
    """groups: [n, GROUP], scales: [n, 1]. The nearest values on the grids of these scales."""
    return (groups / scales).round_().clamp_(LEAST_CODE, LARGEST_CODE).mul_(scales)


def best_scales(groups: Tensor) -> Tensor:
    """[n, 1]: of those tried, the scales whose grids leave the least squared error."""
    span = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) * (2 / 15)
    best, least = span, torch.full_like(span, torch.inf)
    for clip in CLIPS:
        scales = span * clip
        error = (on_grid(groups, scales) - groups).square_().sum(1, keepdim=True)
        best = torch.where(error < least, scales, best)
        least = torch.minimum(least, error)
    return best


def row_multiples(scales: Tensor, rows: Tensor) -> Tensor:
    """scales: [n, 1], rows: [n], the row of each. The nearest multiples of the rows' scales."""
    largest = scales.new_zeros(int(rows[-1]) + 1).scatter_reduce_(0, rows, scales[:, 0], "amax")
    fraction, exponent = torch.frexp(largest / LARGEST_FACTOR)
    units = torch.ldexp((fraction * 2**UNIT_BITS).round(), exponent - UNIT_BITS)[rows, None]
    return (scales / units).round_().clamp_(1, LARGEST_FACTOR).mul_(units)


@lru_cache
def rows_of_groups(shapes: tuple[torch.Size, ...]) -> Tensor:
    """The row of each group in matrices of these shapes, all rows numbered one after another."""
    counts = torch.tensor([columns // GROUP for rows, columns in shapes for _ in range(rows)])
    return torch.arange(len(counts)).repeat_interleave(counts)


@torch.no_grad()
def round_matrices(matrices: list[Tensor]) -> list[Tensor]:
    """The same matrices with rounded values."""
    groups = torch.cat([matrix.reshape(-1) for matrix in matrices]).view(-1, GROUP)
    rows = rows_of_groups(tuple(matrix.shape for matrix in matrices)).to(groups.device)
    values = on_grid(groups, row_multiples(best_scales(groups), rows))
    parts = values.view(-1).split([matrix.numel() for matrix in matrices])
    return [part.view_as(matrix) for part, matrix in zip(parts, matrices, strict=True)]


@contextmanager
def rounded(matrices: list[Tensor]) -> Iterator[None]:
    """Inside, the matrices hold rounded values; their gradients go to the exact ones (straight through)."""
    exact = [matrix.detach().clone() for matrix in matrices]
    with torch.no_grad():
        torch._foreach_copy_(matrices, round_matrices(matrices))
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(matrices, exact)
