"""Florence-2 scripts written for transformers, with only the imports changed.

    from uffizi.transformers import AutoModelForCausalLM, AutoProcessor

These classes take the calls of the model cards' samples and give what transformers gives. With
`return_tensors="pt"` or "np" the processor's output, and then `generate`'s, are tensors of that
library. PyTorch is not needed: where it is not installed, as without `return_tensors`, ids are lists
of int and pictures stay pictures. An argument that would change the answer and cannot be honoured is
refused by name. New code is shorter with `uffizi.Florence2`.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _native
from ._errors import ArgumentError, PromptError, UnsupportedError
from ._generation import make_options
from ._model import BUNDLED, Florence2, _is_list
from ._pictures import to_pixels
from ._results import Result, make_answer

__all__ = [
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoProcessor",
    "Florence2ForConditionalGeneration",
    "Florence2Processor",
]

# Arguments of transformers' from_pretrained that change neither files nor answers here.
_WITHOUT_EFFECT = frozenset(
    {
        "trust_remote_code",
        "low_cpu_mem_usage",
        "use_fast",
        "use_safetensors",
        "torch_dtype",
        "dtype",
        "code_revision",
        "ignore_mismatched_sizes",
        "weights_only",
        "resume_download",
    }
)
_CPU_ATTENTION = (None, "eager", "sdpa")


def _check_device(arguments: tuple[Any, ...], device: Any) -> None:
    for argument in (*arguments, device):
        if str(argument).split(":")[0] in ("cuda", "mps", "xpu"):
            raise UnsupportedError(f"Uffizi computes on the CPU; there is no device {argument}")


def _check_device_map(device_map: Any) -> None:
    devices = device_map.values() if isinstance(device_map, dict) else [device_map]
    for device in devices:
        if str(device) not in ("None", "auto", "cpu", "balanced", "sequential"):
            raise UnsupportedError(f"device_map: Uffizi computes on the CPU; there is no {device}")


def _check_attention(implementation: Any) -> None:
    if implementation not in _CPU_ATTENTION:
        raise UnsupportedError(
            f"attn_implementation={implementation!r} needs a GPU; leave it out, or say "
            '"eager" or "sdpa": the answers are the same'
        )


_environment_lock = threading.Lock()


@contextlib.contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Variables that the downloads read, for one call."""
    wanted = {name: value for name, value in values.items() if value is not None}
    with _environment_lock:
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _load(
    name_or_path: str | os.PathLike[str],
    given: dict[str, Any],
    compute: str = "auto",
    revision: str | None = None,
) -> Florence2:
    """The model for a from_pretrained call; refuses what `given` has and is not known."""
    _check_attention(given.pop("attn_implementation", None))
    _check_device_map(given.pop("device_map", None))
    offline = given.pop("local_files_only", False)
    token = given.pop("token", given.pop("use_auth_token", None))
    cache = given.pop("cache_dir", None)
    for name in [name for name in given if name in _WITHOUT_EFFECT]:
        del given[name]
    for name, value in given.items():
        if name in ("quantization_config", "load_in_4bit", "load_in_8bit") and value:
            raise UnsupportedError(f'{name}: weights are quantized by compute="int4" here')
        if value is not None and value is not False:
            raise TypeError(f"from_pretrained has no argument {name!r} here")
    with _environment(
        UFFIZI_OFFLINE="1" if offline else None,
        HF_TOKEN=token if isinstance(token, str) else None,
        UFFIZI_CACHE=os.fspath(cache) if cache is not None else None,
        HF_HUB_CACHE=os.fspath(cache) if cache is not None else None,
    ):
        return Florence2.from_pretrained(name_or_path, compute=compute, revision=revision)


def _torch() -> Any:
    """PyTorch; None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def _tensor(array: Any, kind: str | None) -> Any:
    """A numpy array as the tensor that `return_tensors` names."""
    return array if kind == "np" else _torch().from_numpy(array)


def _array(value: Any) -> Any:
    """Of a tensor, a numpy array: lists and arrays as numpy takes them."""
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


class _InputIds(list[list[int]]):
    """Token ids of prompts, and the prompts."""

    prompts: list[_native.Prompt]


class Inputs(dict[str, Any]):
    """What the processor makes: `input_ids`, `attention_mask` and `pixel_values`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> Inputs:
        """Itself: everything is on the CPU. Raises for any other device."""
        _check_device(arguments, device)
        return self


class _Configuration:
    """A model folder's JSON with its keys as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            value = self._values[name]
        except KeyError:
            raise AttributeError(name) from None
        return _Configuration(value) if isinstance(value, dict) else value

    def to_dict(self) -> dict[str, Any]:
        """The JSON."""
        return dict(self._values)


def _read_configuration(model: Florence2, name: str) -> _Configuration:
    try:
        with open(os.path.join(model.info["path"], name), encoding="utf-8") as file:
            return _Configuration(json.load(file))
    except FileNotFoundError:
        return _Configuration({})


class _Tokenizer:
    """The model's tokenizer, by transformers' calls."""

    def __init__(self, model: Florence2) -> None:
        self._model = model

    def encode(self, text: str) -> list[int]:
        """The ids of a text, `<s>` and `</s>` around it."""
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
        ids = [int(i) for i in _array(token_ids).reshape(-1)]
        return self._model.detokenize(ids, skip_special_tokens)

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False) -> list[str]:
        """The texts of several lists of ids."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]


class AutoProcessor:
    """Prompts and pictures for the model, answers from its text."""

    def __init__(self, model: Florence2) -> None:
        self._model = model
        self.tokenizer = _Tokenizer(model)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = BUNDLED,
        *,
        revision: str | None = None,
        **given: Any,
    ) -> AutoProcessor:
        """The processor of a model folder, artifact or name."""
        return cls(_load(name_or_path, given, revision=revision))

    def __call__(
        self,
        text: Any = None,
        images: Any = None,
        *,
        return_tensors: str | None = None,
        padding: bool | str = False,
    ) -> Inputs:
        """Prompts such as "<OD>" or "<CAPTION_TO_PHRASE_GROUNDING>a cat", one for each picture.

        With `padding`, or tensors of several prompts, shorter prompts are filled up with the pad
        token, which `attention_mask` marks with 0. `pixel_values` are [n, 3, height, width] f32
        with `return_tensors`, else the pictures themselves.
        """
        if text is None or images is None:
            raise ArgumentError("the processor takes prompts (text=) and pictures (images=)")
        if return_tensors not in (None, "pt", "np"):
            raise UnsupportedError(f'return_tensors is "pt", "np" or None, not {return_tensors!r}')
        if padding not in (True, False, "longest", "do_not_pad"):
            raise UnsupportedError(f"padding={padding!r}: True and False are known")
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
        mask = [[1] * len(row) for row in ids]
        lengths = {len(row) for row in ids}
        if padding in (True, "longest"):
            pad = _special_token(self._model, "pad_token_id", 1)
            for row, marks in zip(ids, mask):
                missing = max(lengths) - len(row)
                row += [pad] * missing
                marks += [0] * missing
        if return_tensors is None or (return_tensors == "pt" and _torch() is None):
            return Inputs(input_ids=ids, attention_mask=mask, pixel_values=pictures)
        if len({len(row) for row in ids}) > 1:
            raise ArgumentError("prompts of different lengths make no tensor; say padding=True")
        values = np.stack([self._model._engine.preprocess(pixels) for pixels in pictures])
        return Inputs(
            input_ids=_tensor(np.array(ids, dtype=np.int64), return_tensors),
            attention_mask=_tensor(np.array(mask, dtype=np.int64), return_tensors),
            pixel_values=_tensor(
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
        self._start = _special_token(model, "decoder_start_token_id", 2)
        self.config = _read_configuration(model, "config.json")
        self.generation_config = _read_configuration(model, "generation_config.json")
        self.tokenizer = _Tokenizer(model)

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
        return cls(_load(name_or_path, given, compute, revision))

    @property
    def device(self) -> Any:
        """PyTorch's CPU device where PyTorch is installed, else "cpu"."""
        torch = _torch()
        return "cpu" if torch is None else torch.device("cpu")

    @property
    def dtype(self) -> Any:
        """PyTorch's float32 where PyTorch is installed, else "float32": what inputs are made of."""
        torch = _torch()
        return "float32" if torch is None else torch.float32

    def to(self, *arguments: Any, device: Any = None, dtype: Any = None) -> AutoModelForCausalLM:
        """Itself: the model is on the CPU. Raises for any other device."""
        _check_device(arguments, device)
        return self

    def eval(self) -> AutoModelForCausalLM:
        """Itself: a model is never trained here."""
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
        filled up with the pad token, if `input_ids` is one. `generation_config` is any object or
        dict with transformers' names; arguments by name go before it."""
        if input_ids is None or pixel_values is None:
            raise ArgumentError(
                "generate takes input_ids and pixel_values, as the processor makes them"
            )
        if len(input_ids) != len(pixel_values):
            raise ArgumentError(f"{len(input_ids)} prompts for {len(pixel_values)} pictures")
        wanted = {**_options_of(generation_config), **generation}
        if "max_new_tokens" in generation or "max_length" in generation:  # go before the config's
            for name in {"max_new_tokens", "max_length"} - generation.keys():
                wanted.pop(name, None)
        options = make_options(
            _search_options(self._model, wanted), self._model.info["max_positions"]
        )
        engine = self._model._engine
        queries = [
            engine.make_query(self._encode(pixels), prompt, options)
            for pixels, prompt in zip(pixel_values, self._prompts(input_ids, attention_mask))
        ]
        answers = [[self._start, *result.token_ids] for result in engine.run(queries, None)]
        if not _is_tensor(input_ids):
            return answers
        pad = _special_token(self._model, "pad_token_id", 1)
        longest = max(len(answer) for answer in answers)
        rows = [answer + [pad] * (longest - len(answer)) for answer in answers]
        kind = "np" if isinstance(input_ids, np.ndarray) else "pt"
        return _tensor(np.array(rows, dtype=np.int64), kind)

    def _encode(self, pixels: Any) -> _native.EncodedImage:
        engine = self._model._engine
        if not _is_tensor(pixels) or np.dtype(str(pixels.dtype).split(".")[-1]).kind != "f":
            return engine.encode(to_pixels(pixels))
        values = np.ascontiguousarray(_array(pixels).astype(np.float32).transpose(1, 2, 0))
        return engine.encode_preprocessed(values, values.shape[1], values.shape[0])

    def _prompts(self, input_ids: Any, attention_mask: Any) -> list[_native.Prompt]:
        if isinstance(input_ids, _InputIds):
            return input_ids.prompts
        rows = [[int(i) for i in _array(row)] for row in input_ids]
        pad = _special_token(self._model, "pad_token_id", 1)
        prompts = []
        for row in rows:
            while row and row[-1] == pad:
                row.pop()
            prompt = _native.raw_prompt(self._model.detokenize(row, True))
            if self._model.tokenize(prompt.text) != row:
                raise PromptError("input_ids are not those of a prompt: make them by the processor")
            prompts.append(prompt)
        return prompts


#: transformers' own names of the classes.
Florence2ForConditionalGeneration = AutoModelForCausalLM
AutoModelForImageTextToText = AutoModelForCausalLM
Florence2Processor = AutoProcessor

# Of generate and of a GenerationConfig: what changes no answer. A cache of keys and values is always
# used, and gives the ids that none gives; rows of a batch have their own length.
_NO_MATTER = frozenset({"use_cache", "pad_token_id", "transformers_version", "_from_model_config"})
# What the model's own files say; another value cannot be had.
_OF_THE_MODEL = (
    "bos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
)


def _search_options(model: Florence2, given: dict[str, Any]) -> dict[str, Any]:
    """The options that the search knows; refuses others that would change the answer."""
    kept = {name: value for name, value in given.items() if name not in _NO_MATTER}
    for name in _OF_THE_MODEL:
        value = kept.pop(name, None)
        if value is not None and value != _special_token(model, name, value):
            raise UnsupportedError(f"{name}: the model's files say which; {value} cannot be had")
    for name, only in (("num_return_sequences", 1), ("return_dict_in_generate", False)):
        value = kept.pop(name, None)
        if value is not None and value != only:
            raise UnsupportedError(f"{name}={value!r}: only {only!r} can be had")
    return kept


def _options_of(config: Any) -> dict[str, Any]:
    """What a GenerationConfig, any object like it, or a dict says, without what it leaves open."""
    if config is None:
        return {}
    if isinstance(config, dict):
        values = config
    elif hasattr(config, "to_diff_dict"):
        values = config.to_diff_dict()
    else:
        values = config.to_dict() if hasattr(config, "to_dict") else vars(config)
    return {name: value for name, value in values.items() if value is not None}


def _special_token(model: Florence2, key: str, fallback: int) -> int:
    for name, place in (("generation_config.json", ()), ("config.json", ("text_config",))):
        values = _read_configuration(model, name).to_dict()
        for step in place:
            values = values.get(step, {})
        if values.get(key) is not None:
            return int(values[key])
    return fallback
