"""Converts ids and pictures to PyTorch tensors, numpy arrays or lists."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .. import _native
from .._errors import UnsupportedError
from ._loading import check_device


def torch_module() -> Any:
    """PyTorch, or None if it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def make_tensor(array: Any, kind: str | None) -> Any:
    """Converts a numpy array to the type that `return_tensors` names."""
    return array if kind == "np" else torch_module().from_numpy(array)


def to_array(value: Any) -> Any:
    """Converts a tensor, list or array to a numpy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    return np.asarray(value)


def is_tensor(value: Any) -> bool:
    """Whether `value` is a tensor of any library."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


class InputIds(list[list[int]]):
    """Token ids of prompts, and the prompts."""

    prompts: list[_native.Prompt]


class Inputs(dict[str, Any]):
    """What the processor makes: `input_ids`, `attention_mask` and `pixel_values`; with attributes of
    the same names."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> Inputs:
        """Returns itself, with PyTorch's pictures in `dtype` if one is given; everything is on the CPU. Raises
        for any other device."""
        check_device(arguments, device)
        torch = torch_module()
        if torch is None or not hasattr(torch, "Tensor"):
            return self
        kinds = [kind for kind in (*arguments, dtype) if isinstance(kind, torch.dtype)]
        for name, value in self.items():
            if kinds and isinstance(value, torch.Tensor) and value.is_floating_point():
                self[name] = value.to(kinds[-1])
        return self


class Scores:
    """Stands for the scores of all tokens at all steps, which are not kept: only the chosen tokens'
    are, for `compute_transition_scores`."""

    def __init__(self, chosen: list[list[float]], of_beams: bool) -> None:
        self.chosen = chosen
        self.of_beams = of_beams

    def __getitem__(self, step: Any) -> Any:
        raise UnsupportedError("scores: only those of the chosen tokens are kept")

    def __len__(self) -> int:
        return max(len(row) for row in self.chosen)


class GenerateOutput(dict[str, Any]):
    """What `generate(return_dict_in_generate=True)` returns: `sequences` and, with
    `output_scores=True`, `scores` and `beam_indices`, which `compute_transition_scores` takes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
