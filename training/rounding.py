"""Quantization-aware training: rounds weights as INT4 will."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

GROUP = 64  # weights that share a scale, as in `uffizi`
LEAST_CODE, LARGEST_CODE = -8, 7
CLIPS = (1.0, 0.93, 0.86, 0.79)  # scales tried, relative to the one that spans the group


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


@torch.no_grad()
def round_matrices(matrices: list[Tensor]) -> list[Tensor]:
    """The same matrices with rounded values."""
    groups = torch.cat([matrix.reshape(-1) for matrix in matrices]).view(-1, GROUP)
    parts = round_groups(groups).view(-1).split([matrix.numel() for matrix in matrices])
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
