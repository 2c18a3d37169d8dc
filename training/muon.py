"""Muon (Keller Jordan, 2024): momentum whose matrices are replaced by the nearest orthogonal ones."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

COEFFICIENTS = (
    3.4445,
    -4.7750,
    2.0315,
)  # of the quintic iteration that pulls singular values towards 1
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Like torch.optim.Muon with adjust_lr_fn="match_rms_adamw", but matrices of one shape are multiplied together, and
    in `dtype`: bfloat16, which that class always takes, is slower than the rest of a step on processors without
    instructions for it."""

    def __init__(
        self,
        matrices: Iterable[Tensor],
        dtype: torch.dtype,
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__(matrices, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                updates = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
                rate = (
                    0.2 * max(shape) ** 0.5 * group["lr"]
                )  # as large as AdamW's (arXiv 2502.16982)
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(
                    matrices,
                    list(orthogonal(updates.to(self._dtype)).to(updates.dtype)),
                    alpha=-rate,
                )

    def _momentum(self, matrix: Tensor, momentum: float) -> Tensor:
        """Nesterov's, of the matrix's gradient."""
        state = self.state[matrix]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        buffer = state["momentum_buffer"]
        buffer.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(buffer, momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """[n, rows, columns]: each with its singular values pulled towards 1, between about 0.7 and 1.2."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.mT).mT
    first, third, fifth = COEFFICIENTS
    x = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), x, beta=first
        )
    return x
