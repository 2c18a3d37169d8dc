"""Quantization-aware training: rounds weights as INT4 will."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

GROUP = 64  # weights that share a scale, as `uffizi` takes it
LEAST_CODE, LARGEST_CODE = -8, 7
CLIPS = (1.0, 0.93, 0.86, 0.79)  # scales tried, of the one that spans the group


def round_groups(groups: Tensor) -> Tensor:
    """groups: [n, GROUP]. Each on the grid of 16 values, of those tried, that leaves the least squared error."""
    span = groups.abs().amax(1, keepdim=True).clamp(min=1e-12) * (2 / 15)
    best, least = groups, torch.full_like(span, torch.inf)
    for clip in CLIPS:
        scale = span * clip
        on_grid = (groups / scale).round_().clamp_(LEAST_CODE, LARGEST_CODE).mul_(scale)
        error = (on_grid - groups).square_().sum(1, keepdim=True)
        best = torch.where(error < least, on_grid, best)
        least = torch.minimum(least, error)
    return best


def fill(matrices: list[Tensor], values: Tensor) -> None:
    """values: [all elements], those of one matrix after those of the other"""
    for matrix, part in zip(
        matrices, values.split([matrix.numel() for matrix in matrices]), strict=True
    ):
        matrix.copy_(part.view_as(matrix))


@contextmanager
def rounded(matrices: list[Tensor]) -> Iterator[None]:
    """Inside, the matrices hold rounded values; gradients of those go to the exact ones (straight through)."""
    with torch.no_grad():
        exact = torch.cat([matrix.reshape(-1) for matrix in matrices])
        fill(matrices, round_groups(exact.view(-1, GROUP)).view(-1))
    try:
        yield
    finally:
        with torch.no_grad():
            fill(matrices, exact)
