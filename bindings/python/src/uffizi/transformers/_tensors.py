"""Ids and pictures as PyTorch's or numpy's tensors, or as lists."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .. import _native
from .._errors import UnsupportedError
from ._loading import check_device


def torch_module() -> Any:
    """PyTorch; None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def make_tensor(array: Any, kind: str | None) -> Any:
    """A numpy array as the tensor that `return_tensors` names."""
    return array if kind == "np" else torch_module().from_numpy(array)


def to_array(value: Any) -> Any:
    """Of a tensor, a numpy array: lists and arrays as numpy takes them."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()
    return np.asarray(value)


def is_tensor(value: Any) -> bool:
    """Whether it is one, of whatever library."""
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
        """Itself, with PyTorch's pictures in `dtype` if one is given; everything is on the CPU. Raises
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
        raise UnsupportedError("scores: those of tokens that were not chosen cannot be had")

    def __len__(self) -> int:
        return max(len(row) for row in self.chosen)


class GenerateOutput(dict[str, Any]):
    """What `generate(return_dict_in_generate=True)` gives: `sequences` and, with
    `output_scores=True`, `scores` and `beam_indices`, which `compute_transition_scores` takes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None
