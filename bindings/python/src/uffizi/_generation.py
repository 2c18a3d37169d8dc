"""Search options, with the names of transformers' GenerationConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from . import _native
from ._errors import ArgumentError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    __all__ = ["Generation", "Unpack"]


class Generation(TypedDict, total=False):
    """Search options for an answer. Missing ones and None mean the default of the model's
    generation_config.json."""

    num_beams: int | None
    early_stopping: bool | Literal["never"] | None
    length_penalty: float | None
    no_repeat_ngram_size: int | None
    repetition_penalty: float | None
    min_length: int | None
    max_length: int | None
    max_new_tokens: int | None
    do_sample: bool | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    seed: int | None
    forced_bos: bool | None
    forced_eos: bool | None
    suppress_tokens: list[int] | None
    eos_token_id: int | list[int] | None


_NAMES = frozenset(Generation.__annotations__)
_EARLY_STOPPING = {True: "on", False: "off", "never": "never"}


def make_options(given: dict[str, Any], max_positions: int) -> _native.GenerationOptions:
    """Converts options for the engine. `max_positions` is the model's limit for an answer."""
    options = _native.GenerationOptions()
    for name, value in given.items():
        if name not in _NAMES:
            raise TypeError(
                f"no generation option is called {name!r}; there are {', '.join(sorted(_NAMES))}"
            )
        if value is None:
            continue
        if name == "early_stopping":
            if value not in _EARLY_STOPPING:
                raise ArgumentError(f'early_stopping is True, False or "never", not {value!r}')
            value = _EARLY_STOPPING[value]
        elif name == "eos_token_id":
            name, value = "eos_token_ids", [value] if isinstance(value, int) else value
        elif name == "max_new_tokens":
            if given.get("max_length") is not None:
                raise ArgumentError("give max_length or max_new_tokens, not both")
            if value < 1:
                raise ArgumentError(f"max_new_tokens must be at least 1, not {value}")
            # max_length includes the start token. People write 1024 or 4096 to mean "enough", so
            # larger values mean the model's own limit.
            name, value = "max_length", min(value, max_positions) + 1
        try:
            setattr(options, name, value)
        except TypeError:
            raise TypeError(f"{name}: {value!r} is of the wrong type") from None
    return options
