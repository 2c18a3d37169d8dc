"""The processor: prepares prompts and pictures for the model and reads answers from its text."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from .. import _native
from .._engines import BUNDLED
from .._errors import ArgumentError, UnsupportedError
from .._model import Florence2, is_list
from .._pictures import to_pixels
from .._results import Result, make_answer
from ._loading import load_model, special_token
from ._tensors import InputIds, Inputs, make_tensor, to_array, torch_module

# What the processor does with a picture, whatever it is told: anything else is refused.
_PICTURE_STEPS = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_convert_rgb": True,
    "do_center_crop": False,
    "do_thumbnail": False,
    "do_align_long_axis": False,
    "tokenize_newline_separately": True,
    "truncation": False,
    "add_special_tokens": True,
}


def _check_steps(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in _PICTURE_STEPS:
            raise TypeError(f"the processor has no argument {name!r} here")
        if value is not None and value != _PICTURE_STEPS[name]:
            raise UnsupportedError(f"{name}={value!r}: only {_PICTURE_STEPS[name]} is supported")


class Tokenizer:
    """The model's tokenizer, with the interface of transformers."""

    def __init__(self, model: Florence2) -> None:
        self._model = model
        self.bos_token_id = special_token(model, "bos_token_id", 0)
        self.eos_token_id = special_token(model, "eos_token_id", 2)
        self.pad_token_id = special_token(model, "pad_token_id", 1)

    def encode(self, text: str) -> list[int]:
        """The ids of a text between `<s>` and `</s>`."""
        return self._model.tokenize(text)

    def __call__(self, text: Any) -> Inputs:
        """{"input_ids": ..., "attention_mask": ...} of a text or of several."""
        if isinstance(text, str):
            ids = self.encode(text)
            return Inputs(input_ids=ids, attention_mask=[1] * len(ids))
        rows = [self.encode(one) for one in text]
        return Inputs(input_ids=rows, attention_mask=[[1] * len(row) for row in rows])

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> str:
        """The text of ids."""
        ids = [int(i) for i in to_array(token_ids).reshape(-1)]
        return self._model.detokenize(ids, skip_special_tokens)

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """The texts of several lists of ids."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]


class AutoProcessor:
    """Prepares prompts and pictures for the model and reads answers from its text."""

    def __init__(self, model: Florence2) -> None:
        self._model = model
        self.tokenizer = Tokenizer(model)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = BUNDLED,
        *,
        revision: str | None = None,
        **given: Any,
    ) -> AutoProcessor:
        """The processor of a model folder, artifact or name."""
        return cls(load_model(name_or_path, given, revision=revision))

    def __call__(
        self,
        text: Any = None,
        images: Any = None,
        *,
        return_tensors: str | None = None,
        padding: bool | str = False,
        **steps: Any,
    ) -> Inputs:
        """Prompts such as "<OD>" or "<CAPTION_TO_PHRASE_GROUNDING>a cat", one for each picture.

        With `padding`, or tensors of several prompts, shorter prompts are padded with the pad
        token, which `attention_mask` marks with 0. `pixel_values` are [n, 3, height, width] f32
        with `return_tensors`, else the pictures themselves. `steps` such as `do_rescale` may only ask
        for what is done anyway; other values raise.
        """
        _check_steps(steps)
        if text is None or images is None:
            raise ArgumentError("the processor takes prompts (text=) and pictures (images=)")
        if return_tensors not in (None, "pt", "np"):
            raise UnsupportedError(f'return_tensors is "pt", "np" or None, not {return_tensors!r}')
        if padding not in (True, False, "longest", "do_not_pad"):
            raise UnsupportedError(f"padding={padding!r}: only True and False are supported")
        texts = [text] if isinstance(text, str) else list(text)
        pictures = [to_pixels(image) for image in (images if is_list(images) else [images])]
        if len(texts) != len(pictures):
            raise ArgumentError(f"{len(texts)} prompts for {len(pictures)} pictures")
        ids = InputIds()
        ids.prompts = [
            _native.make_prompt(None, prompt, pixels.shape[1], pixels.shape[0])
            for prompt, pixels in zip(texts, pictures)
        ]
        ids.extend(self._model.tokenize(prompt.text) for prompt in ids.prompts)
        mask = [[1] * len(row) for row in ids]
        lengths = {len(row) for row in ids}
        if padding in (True, "longest"):
            for row, marks in zip(ids, mask):
                missing = max(lengths) - len(row)
                row += [self.tokenizer.pad_token_id] * missing
                marks += [0] * missing
        if return_tensors is None or (return_tensors == "pt" and torch_module() is None):
            return Inputs(input_ids=ids, attention_mask=mask, pixel_values=pictures)
        if len({len(row) for row in ids}) > 1:
            raise ArgumentError("prompts of different lengths need padding=True to become a tensor")
        values = np.stack([self._model._engine.preprocess(pixels) for pixels in pictures])
        return Inputs(
            input_ids=make_tensor(np.array(ids, dtype=np.int64), return_tensors),
            attention_mask=make_tensor(np.array(mask, dtype=np.int64), return_tensors),
            pixel_values=make_tensor(
                np.ascontiguousarray(values.transpose(0, 3, 1, 2)), return_tensors
            ),
        )

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """The texts of generated ids."""
        return self.tokenizer.batch_decode(sequences, skip_special_tokens)

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> str:
        """The text of generated ids."""
        return self.tokenizer.decode(token_ids, skip_special_tokens)

    def post_process_generation(
        self,
        text: str | None = None,
        sequence: Any = None,
        transition_beam_score: Any = None,
        task: str | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> dict[str, Any]:
        """{task: answer} of a text, or of the ids `sequence`; `image_size` is (width, height).
        Coordinates are floats, as in Microsoft's processor; transformers' own truncates them. With a
        row of `compute_transition_scores` the answer has `scores`."""
        if task is None or image_size is None or (text is None) == (sequence is None):
            raise ArgumentError("say task, image_size, and text or sequence")
        logprobs: list[float] = []
        if sequence is not None:
            ids = [int(i) for i in to_array(sequence).reshape(-1)]
            text = self.decode(ids)
            logprobs = self._location_logprobs(ids, transition_beam_score)
        assert text is not None
        known = _native.find_task(task)
        width, height = image_size
        answer = _native.parse_answer(
            None if known is None else known.token, text, width, height, logprobs
        )
        shape, caption, regions = make_answer(answer)
        result = Result(task, "", text, [], shape, caption, regions, False, width, height)
        parsed = result.answer
        if isinstance(parsed, dict) and not logprobs:  # no scores are known from the text alone
            parsed = {key: value for key, value in parsed.items() if not key.endswith("scores")}
        return {task: parsed}

    def _location_logprobs(self, ids: list[int], scores: Any) -> list[float]:
        """The scores of the ids that are locations; `scores` lacks the decoder's start token's."""
        if scores is None:
            return []
        values = [float(score) for score in to_array(scores).reshape(-1)]
        if len(values) != len(ids) - 1:
            raise ArgumentError(
                f"transition_beam_score has {len(values)} numbers for {len(ids) - 1} tokens"
            )
        return [
            score
            for score, token in zip(values, ids[1:])
            if re.fullmatch(r"<loc_\d+>", self.decode([token]))
        ]
