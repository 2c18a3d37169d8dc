"""The Florence-2 model card's sample with only the imports changed.

    from uffizi.transformers import AutoModelForCausalLM, AutoProcessor

These classes take the calls of that sample and give what transformers gives, without PyTorch: ids
are lists of int, pictures stay pictures until `generate` encodes them. New code is shorter with
`uffizi.Florence2`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from . import _native
from ._errors import ArgumentError, PromptError, UnsupportedError
from ._generation import make_options
from ._model import BUNDLED, Florence2, _is_list
from ._pictures import to_pixels
from ._results import Result, make_answer

__all__ = ["AutoModelForCausalLM", "AutoProcessor", "Florence2ForConditionalGeneration"]


def _check_device(arguments: tuple[Any, ...], device: Any) -> None:
    for argument in (*arguments, device):
        if str(argument).split(":")[0] in ("cuda", "mps", "xpu"):
            raise UnsupportedError(f"Uffizi computes on the CPU; there is no device {argument}")


class _InputIds(list[list[int]]):
    """Token ids of prompts, and the prompts."""

    prompts: list[_native.Prompt]


class Inputs(dict[str, Any]):
    """What the processor makes: `input_ids` and `pixel_values`."""

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> Inputs:
        """Nothing to do: everything is on the CPU. Throws for any other device."""
        _check_device(arguments, device)
        return self


class AutoProcessor:
    """Prompts and pictures for the model, answers from its text."""

    def __init__(self, model: Florence2) -> None:
        self._model = model

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str] = BUNDLED, *, revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> AutoProcessor:  # fmt: skip
        """The processor of a model folder."""
        return cls(Florence2.from_pretrained(name_or_path, revision=revision))

    def __call__(self, text: Any, images: Any, *, return_tensors: str | None = None) -> Inputs:
        """Prompts such as "<OD>" or "<CAPTION_TO_PHRASE_GROUNDING>a cat", one for each picture."""
        texts = [text] if isinstance(text, str) else list(text)
        pictures = [to_pixels(image) for image in (images if _is_list(images) else [images])]
        if len(texts) != len(pictures):
            raise ArgumentError(f"{len(texts)} prompts for {len(pictures)} pictures")
        ids = _InputIds()
        ids.prompts = [
            _native.make_prompt(None, prompt, pixels.shape[1], pixels.shape[0])
            for prompt, pixels in zip(texts, pictures)
        ]
        ids.extend(self._model.tokenize(prompt.text) for prompt in ids.prompts)
        return Inputs(input_ids=ids, pixel_values=pictures)

    def batch_decode(
        self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = False
    ) -> list[str]:
        """The texts of generated ids."""
        return [self._model.detokenize(ids, skip_special_tokens) for ids in sequences]

    def decode(self, token_ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of generated ids."""
        return self._model.detokenize(token_ids, skip_special_tokens)

    def post_process_generation(
        self, text: str, task: str, image_size: tuple[int, int]
    ) -> dict[str, Any]:
        """{task: answer}; `image_size` is (width, height). Coordinates are floats, as in Microsoft's
        processor; transformers' own truncates them."""
        known = _native.find_task(task)
        width, height = image_size
        answer = _native.parse_answer(None if known is None else known.token, text, width, height)
        shape, caption, regions = make_answer(answer)
        result = Result(task, "", text, [], shape, caption, regions, False, width, height)
        parsed = result.answer
        if isinstance(parsed, dict):  # no scores are known from the text alone
            parsed = {key: value for key, value in parsed.items() if not key.endswith("scores")}
        return {task: parsed}


class AutoModelForCausalLM:
    """The model, by the calls of transformers."""

    def __init__(self, model: Florence2) -> None:
        self._model = model
        self._start = _decoder_start_token(model.info["path"])

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | os.PathLike[str] = BUNDLED, *, compute: str = "auto",
        dtype: Any = None, torch_dtype: Any = None, revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> AutoModelForCausalLM:  # fmt: skip
        """Loads a model folder. The arithmetic is what `compute` says (see `Florence2`), whatever
        PyTorch's `dtype` is."""
        return cls(Florence2.from_pretrained(name_or_path, compute=compute, revision=revision))

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> AutoModelForCausalLM:
        """Nothing to do: the model is on the CPU. Throws for any other device."""
        _check_device(arguments, device)
        return self

    def eval(self) -> AutoModelForCausalLM:
        """Nothing to do."""
        return self

    def generate(
        self, input_ids: Sequence[Sequence[int]], pixel_values: Sequence[Any], **generation: Any
    ) -> list[list[int]]:
        """The ids of an answer to each prompt, the decoder's start token first."""
        if len(input_ids) != len(pixel_values):
            raise ArgumentError(f"{len(input_ids)} prompts for {len(pixel_values)} pictures")
        if isinstance(input_ids, _InputIds):
            prompts = input_ids.prompts
        else:
            prompts = [_native.raw_prompt(self._model.detokenize(ids, True)) for ids in input_ids]
            for ids, prompt in zip(input_ids, prompts):
                if self._model.tokenize(prompt.text) != list(ids):
                    raise PromptError("input_ids are not those of a prompt: make them by the processor")
        options = make_options(generation, self._model.info["max_positions"])
        engine = self._model._engine
        queries = [
            engine.make_query(engine.encode(to_pixels(pixels)), prompt, options)
            for pixels, prompt in zip(pixel_values, prompts)
        ]
        return [[self._start, *result.token_ids] for result in engine.run(queries, None)]


#: transformers' own name of the class.
Florence2ForConditionalGeneration = AutoModelForCausalLM


def _decoder_start_token(folder: str) -> int:
    for name, place in (("generation_config.json", ()), ("config.json", ("text_config",))):
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                config = json.load(file)
        except OSError:
            continue
        for key in place:
            config = config.get(key, {})
        if "decoder_start_token_id" in config:
            return int(config["decoder_start_token_id"])
    return 2  # Florence-2's
