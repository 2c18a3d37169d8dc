"""The model, with the interface of transformers."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import _native
from .._engines import BUNDLED
from .._errors import ArgumentError, PromptError, UnsupportedError
from .._generation import make_options
from .._model import Florence2
from .._pictures import to_pixels
from ._loading import check_device, load_model, read_configuration, special_token
from ._options import options_of, search_options, take_form
from ._processor import Tokenizer
from ._tensors import (
    GenerateOutput,
    InputIds,
    Scores,
    is_tensor,
    make_tensor,
    to_array,
    torch_module,
)


class AutoModelForCausalLM:
    """The model, with the interface of transformers."""

    def __init__(self, model: Florence2) -> None:
        self._model = model
        self._start = special_token(model, "decoder_start_token_id", 2)
        self.config = read_configuration(model, "config.json")
        self.generation_config = read_configuration(model, "generation_config.json")
        self.tokenizer = Tokenizer(model)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = BUNDLED,
        *,
        compute: str = "auto",
        revision: str | None = None,
        **given: Any,
    ) -> AutoModelForCausalLM:
        """Loads a model folder, artifact or name. The arithmetic is what `compute` says (see
        `Florence2`), whatever PyTorch's `dtype` is."""
        return cls(load_model(name_or_path, given, compute, revision))

    @property
    def device(self) -> Any:
        """PyTorch's CPU device where PyTorch is installed, else "cpu"."""
        torch = torch_module()
        return "cpu" if torch is None else torch.device("cpu")

    @property
    def dtype(self) -> Any:
        """PyTorch's float32 where PyTorch is installed, else "float32": the type of the inputs."""
        torch = torch_module()
        return "float32" if torch is None else torch.float32

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> AutoModelForCausalLM:
        """Returns itself: the model is on the CPU. Raises for any other device."""
        check_device(arguments, device)
        return self

    def half(self) -> AutoModelForCausalLM:
        """Returns itself: the arithmetic is what `compute` says."""
        return self

    float = bfloat16 = half

    def cuda(self, device: Any = None) -> AutoModelForCausalLM:
        """Raises: the model is on the CPU."""
        check_device(("cuda" if device is None else f"cuda:{device}",), None)
        return self

    def eval(self) -> AutoModelForCausalLM:
        """Returns itself: a model is never trained here."""
        return self

    def generate(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        *,
        attention_mask: Any = None,
        generation_config: Any = None,
        **generation: Any,
    ) -> Any:
        """The ids of an answer to each prompt, the decoder's start token first; a tensor, answers
        padded with the pad token, if `input_ids` is one. `generation_config` is any object or
        dict with transformers' names; keyword arguments take precedence. With
        `return_dict_in_generate=True` it returns a `GenerateOutput`."""
        if input_ids is None or pixel_values is None:
            raise ArgumentError(
                "generate takes input_ids and pixel_values, as the processor makes them"
            )
        if len(input_ids) != len(pixel_values):
            raise ArgumentError(f"{len(input_ids)} prompts for {len(pixel_values)} pictures")
        wanted = {**options_of(generation_config), **generation}
        if "max_new_tokens" in generation or "max_length" in generation:  # go before the config's
            for name in {"max_new_tokens", "max_length"} - generation.keys():
                wanted.pop(name, None)
        form = take_form(wanted)
        options = make_options(
            search_options(self._model, wanted), self._model.info["max_positions"]
        )
        engine = self._model._engine
        queries = [
            engine.make_query(self._encode(pixels), prompt, options)
            for pixels, prompt in zip(pixel_values, self._prompts(input_ids, attention_mask))
        ]
        results = engine.run(queries, None)
        sequences: Any = [[self._start, *result.token_ids] for result in results]
        if is_tensor(input_ids):
            pad = special_token(self._model, "pad_token_id", 1)
            longest = max(len(answer) for answer in sequences)
            rows = [answer + [pad] * (longest - len(answer)) for answer in sequences]
            kind = "np" if isinstance(input_ids, np.ndarray) else "pt"
            sequences = make_tensor(np.array(rows, dtype=np.int64), kind)
        if not form["return_dict_in_generate"]:
            return sequences
        output = GenerateOutput(sequences=sequences)
        if form["output_scores"]:
            beams = any(query.num_beams > 1 for query in queries)
            output["scores"] = Scores([result.token_logprobs for result in results], beams)
            if beams:
                output["beam_indices"] = None
        return output

    def compute_transition_scores(
        self,
        sequences: Any,
        scores: Any,
        beam_indices: Any = None,
        normalize_logits: bool = False,
    ) -> Any:
        """The log-probability of each generated token, [n, tokens]; 0 after an answer's
        end. Those of forced tokens are the model's own, where transformers' are 0."""
        if not isinstance(scores, Scores):
            raise ArgumentError("scores are those of generate(output_scores=True)")
        if not scores.of_beams and not normalize_logits:
            raise UnsupportedError(
                "normalize_logits=False: without beams only normalized scores are available"
            )
        rows = np.zeros((len(scores.chosen), len(scores)), np.float32)
        for row, chosen in zip(rows, scores.chosen):
            row[: len(chosen)] = chosen
        if not is_tensor(sequences):
            return rows.tolist()
        return make_tensor(rows, "np" if isinstance(sequences, np.ndarray) else "pt")

    def _encode(self, pixels: Any) -> _native.EncodedImage:
        engine = self._model._engine
        if not is_tensor(pixels) or np.dtype(str(pixels.dtype).split(".")[-1]).kind != "f":
            return engine.encode(to_pixels(pixels))
        values = np.ascontiguousarray(to_array(pixels).astype(np.float32).transpose(1, 2, 0))
        return engine.encode_preprocessed(values, values.shape[1], values.shape[0])

    def _prompts(self, input_ids: Any, attention_mask: Any) -> list[_native.Prompt]:
        if isinstance(input_ids, InputIds):
            return input_ids.prompts
        rows = [[int(i) for i in to_array(row)] for row in input_ids]
        pad = special_token(self._model, "pad_token_id", 1)
        prompts = []
        for row in rows:
            while row and row[-1] == pad:
                row.pop()
            # Locations are special tokens, too, but belong to the prompt.
            text = self._model.detokenize(row).removeprefix("<s>").removesuffix("</s>")
            prompt = _native.raw_prompt(text)
            if self._model.tokenize(prompt.text) != row:
                raise PromptError(
                    "input_ids are not those of a prompt: make them with the processor"
                )
            prompts.append(prompt)
        return prompts
