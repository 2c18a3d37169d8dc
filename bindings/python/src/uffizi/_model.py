"""The model: pictures and tasks in, results out."""

from __future__ import annotations

import os
import pathlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Union, overload

import numpy as np

from . import _native
from ._errors import ArgumentError, PromptError
from ._generation import make_options
from ._pictures import Picture, to_pixels
from ._results import Result, make_result
from ._stream import Stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._generation import Generation, Unpack

#: Four numbers in pixels, or "<loc_x1><loc_y1><loc_x2><loc_y2>".
Region = Union[str, Sequence[float]]
#: A task that needs no input, a whole prompt, or a task with its input.
Task = Union[str, "tuple[str, str | Sequence[float] | Sequence[str]]"]

#: A LoRA adapter, as peft saves it: folder or name, or that and what it counts.
Adapter = Union[str, "os.PathLike[str]", "tuple[str | os.PathLike[str], float]"]
#: Is told a file's name, and the bytes done and to do. Returning False stops.
Progress = Callable[[str, int, int], "bool | None"]
Adapters = tuple[tuple[pathlib.Path, float], ...]

#: The model that comes with the package.
BUNDLED = "uffizi-tiny"

_engines: weakref.WeakValueDictionary[
    tuple[str, str, int, tuple[tuple[str, float], ...]], _native.Engine
]
_engines = weakref.WeakValueDictionary()
_engines_lock = threading.Lock()


def _forget_engines() -> None:
    """In a forked child: a new engine is refused there, and an old one must be too."""
    global _engines_lock
    _engines.clear()
    _engines_lock = threading.Lock()  # the old one may have been held by a thread left behind


os.register_at_fork(after_in_child=_forget_engines)


def _bundled_folder() -> pathlib.Path:
    return pathlib.Path(__file__).parent / "share" / "uffizi" / "models" / BUNDLED


def pull(name: str | os.PathLike[str], *, progress: Progress | None = None) -> pathlib.Path:
    """The folder of a model or adapter by name, downloaded into the cache unless it is there.

    `name` is one of the Hugging Face Hub, such as "microsoft/Florence-2-large" or "owner/name@revision",
    or of Spark NLP, "florence_2_large_int4". A Spark NLP or OpenVINO artifact is imported; a folder is
    itself. What is imported is kept in 4 bits. `progress` is called with a file's name and the bytes done and to do in all; returning
    False stops the download, which the next one takes up again.
    """
    return _native.resolve_model(name, progress, 4)


def _resolve(
    name_or_path: str | os.PathLike[str], revision: str | None, exact: bool
) -> pathlib.Path:
    if os.path.exists(name_or_path):
        # Who asks for float32 throughout wants an artifact's own weights.
        return _native.resolve_model(name_or_path, None, 16 if exact else 4)
    if str(name_or_path) == BUNDLED:
        return _bundled_folder()
    return pull(f"{name_or_path}@{revision}" if revision is not None else name_or_path)


def _find_adapters(lora: Sequence[Adapter]) -> Adapters:
    if isinstance(lora, (str, os.PathLike)):
        raise TypeError("lora is a list of adapters")
    pairs = [adapter if isinstance(adapter, tuple) else (adapter, 1.0) for adapter in lora]
    return tuple((pull(source), float(weight)) for source, weight in pairs)


def _load(folder: pathlib.Path, compute: str, threads: int, lora: Adapters) -> _native.Engine:
    """The engine of a folder; one for all that load the same while it is in use."""
    adapters = tuple((os.path.realpath(source), weight) for source, weight in lora)
    key = (os.path.realpath(folder), compute, threads, adapters)
    with _engines_lock:
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = _native.Engine(folder, compute, threads, lora)
        return engine


class EncodedImage:
    """A picture as the model sees it: encoded once, asked any number of times."""

    def __init__(
        self,
        model: Florence2,
        encoded: _native.EncodedImage,
        pixels: npt.NDArray[np.uint8],
        decode_seconds: float,
    ) -> None:
        self.model = model
        self.pixels = pixels
        self._encoded = encoded
        self._decode_seconds = decode_seconds
        self._told = False  # the seconds of decoding and encoding are in a result

    @property
    def width(self) -> int:
        """Of the picture, pixels."""
        return self._encoded.width

    @property
    def height(self) -> int:
        """Of the picture, pixels."""
        return self._encoded.height

    @property
    def tile_count(self) -> int:
        """Into how many tiles it is cut; 0 if it is not."""
        return self._encoded.tile_count

    @property
    def tokens(self) -> npt.NDArray[np.float32]:
        """[image_tokens, d_model], not a copy: the picture's embeddings."""
        return self._encoded.tokens(self.model.info["d_model"])

    def __call__(
        self,
        tasks: Any,
        *,
        text: str | Sequence[str] | None = None,
        region: Region | None = None,
        **generation: Unpack[Generation],
    ) -> Any:
        """As `model(picture, tasks)`."""
        return self.model(self, tasks, text=text, region=region, **generation)

    def stream(
        self,
        task: Task,
        *,
        text: str | Sequence[str] | None = None,
        region: Region | None = None,
        **generation: Unpack[Generation],
    ) -> Stream:
        """As `model.stream(picture, task)`."""
        return self.model.stream(self, task, text=text, region=region, **generation)

    def __repr__(self) -> str:
        return f"<uffizi.EncodedImage {self.width}x{self.height}>"


class Florence2:
    """A Florence-2 model. Any number of threads may use it at the same time."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        compute: str = "auto",
        threads: int = 0,
        lora: Sequence[Adapter] = (),
    ) -> None:
        adapters = _find_adapters(lora)
        self._arguments = (os.fspath(folder), compute, threads, adapters)
        self._engine = _load(pathlib.Path(folder), compute, threads, adapters)
        self.info: dict[str, Any] = self._engine.info()  #: sizes, precision, instruction set

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = BUNDLED,
        *,
        compute: str = "auto",
        threads: int = 0,
        revision: str | None = None,
        lora: Sequence[Adapter] = (),
    ) -> Florence2:
        """Loads a Hugging Face folder, an artifact, or the model that came with the package.

        A name such as "microsoft/Florence-2-large" is that checkpoint of the Hugging Face Hub, at
        `revision` if given: see `pull`. `lora` are adapters that peft has saved, folders or names, which
        are merged into the weights; `(adapter, 0.5)` counts half. `compute` is the arithmetic: "auto", "int4" (4-bit
        weights; others are quantized while loading), or "f32" for the reference. `threads` are those
        of one call; 0 means all that this process may use. A folder that is loaded already is shared.
        """
        exact = compute == "f32" or bool(lora)
        return cls(
            _resolve(name_or_path, revision, exact), compute=compute, threads=threads, lora=lora
        )

    def encode(self, picture: Picture | EncodedImage, *, tiles: str = "") -> EncodedImage:
        """Encodes a picture, to be asked afterwards. With `tiles` ("auto", "3x2" for columns and rows,
        or "1000" for a side in pixels) questions about things and words are asked about overlapping
        tiles of it, in which small ones can be seen, and the answers merged."""
        if isinstance(picture, EncodedImage):
            if picture.model._engine is not self._engine:
                raise ArgumentError("the picture was encoded by another model")
            return picture
        start = time.perf_counter()
        pixels = to_pixels(picture)
        seconds = time.perf_counter() - start
        return EncodedImage(self, self._engine.encode(pixels, tiles), pixels, seconds)

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        pictures: Picture | EncodedImage,
        tasks: Task,
        *,
        text: str | Sequence[str] | None = ...,
        region: Region | None = ...,
        batch_size: int = ...,
        tiles: str = ...,
        min_score: float = ...,
        labels: Sequence[str] | None = ...,
        **generation: Unpack[Generation],
    ) -> Result: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        pictures: Picture | EncodedImage,
        tasks: list[Task] | list[str],
        *,
        text: str | Sequence[str] | None = ...,
        region: Region | None = ...,
        batch_size: int = ...,
        tiles: str = ...,
        min_score: float = ...,
        labels: Sequence[str] | None = ...,
        **generation: Unpack[Generation],
    ) -> list[Result]: ...
    @overload
    def __call__(
        self,
        pictures: Sequence[Picture | EncodedImage],
        tasks: Task,
        *,
        text: str | Sequence[str] | None = ...,
        region: Region | None = ...,
        batch_size: int = ...,
        tiles: str = ...,
        min_score: float = ...,
        labels: Sequence[str] | None = ...,
        **generation: Unpack[Generation],
    ) -> list[Result]: ...
    @overload
    def __call__(
        self,
        pictures: Sequence[Picture | EncodedImage],
        tasks: list[Task] | list[str],
        *,
        text: str | Sequence[str] | None = ...,
        region: Region | None = ...,
        batch_size: int = ...,
        tiles: str = ...,
        min_score: float = ...,
        labels: Sequence[str] | None = ...,
        **generation: Unpack[Generation],
    ) -> list[list[Result]]: ...
    def __call__(
        self,
        pictures: Any,
        tasks: Any,
        *,
        text: str | Sequence[str] | None = None,
        region: Region | None = None,
        batch_size: int = 8,
        tiles: str = "",
        min_score: float = 0.0,
        labels: Sequence[str] | None = None,
        **generation: Unpack[Generation],
    ) -> Any:
        """Asks about pictures.

        `pictures` is one (path, bytes, file, PIL image, array, `EncodedImage`) or a sequence; `tasks`
        is one ("<OD>", "od", a prompt, or a tuple of task and input) or a list. The answer is a
        `Result`, or a list where a list was given: of pictures outside, of tasks inside. `text` and
        `region` are inputs for all tasks that take such: a phrase (or several, for open-vocabulary
        detection), four numbers in pixels. The answers to `batch_size` pictures are generated
        together; they are the same as one by one. `tiles` cuts large pictures, as `encode` does.
        Regions whose score is under `min_score` or whose label is not among `labels` are left out.
        Options of the search have transformers' names.
        """
        one_picture, one_task = not _is_list(pictures), not isinstance(tasks, list)
        options = make_options(dict(generation), self.info["max_positions"])
        wanted = [tasks] if one_task else tasks
        all_pictures = [pictures] if one_picture else list(pictures)
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
        answers: list[list[Result]] = []
        for begin in range(0, len(all_pictures), batch_size):
            batch = [
                self.encode(picture, tiles=tiles)
                for picture in all_pictures[begin : begin + batch_size]
            ]
            answers += self._ask(batch, wanted, text, region, options)
        for result in (result for row in answers for result in row):
            result.keep(min_score, labels)
        rows: list[Any] = [row[0] for row in answers] if one_task else answers
        return rows[0] if one_picture else rows

    def stream(
        self,
        picture: Picture | EncodedImage,
        task: Task,
        *,
        text: str | Sequence[str] | None = None,
        region: Region | None = None,
        **generation: Unpack[Generation],
    ) -> Stream:
        """Asks one question and gives the answer as it is written: an iterator of `Token`s, whose
        `result` is there when it has ended."""
        options = make_options(dict(generation), self.info["max_positions"])
        encoded = self.encode(picture)
        query = self._query(encoded, task, text, region, options)

        def run(progress: Any) -> Result:
            return self._finish([encoded], self._engine.run([query], progress))[0]

        return Stream(run)

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text, as the model is given it (`<s>` and `</s>` around it)."""
        return self._engine.tokenize(text)

    def detokenize(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of token ids."""
        return self._engine.detokenize(list(ids), skip_special_tokens)

    def _ask(
        self,
        batch: list[EncodedImage],
        tasks: list[Task],
        text: str | Sequence[str] | None,
        region: Region | None,
        options: _native.GenerationOptions,
    ) -> list[list[Result]]:
        encoded = [picture for picture in batch for _ in tasks]
        queries = [
            self._query(picture, task, text, region, options) for picture in batch for task in tasks
        ]
        results = self._finish(encoded, self._engine.run(queries, None))
        return [results[i * len(tasks) : (i + 1) * len(tasks)] for i in range(len(batch))]

    def _query(
        self,
        encoded: EncodedImage,
        task: Task,
        text: str | Sequence[str] | None,
        region: Region | None,
        options: _native.GenerationOptions,
    ) -> _native.Query:
        prompt = _make_prompt(task, text, region, encoded.width, encoded.height)
        return self._engine.make_query(encoded._encoded, prompt, options)

    def _finish(self, encoded: list[EncodedImage], results: list[_native.Result]) -> list[Result]:
        finished = []
        for picture, native in zip(encoded, results):
            result = make_result(native, picture.pixels)
            timings = result.timings
            if picture._told:
                timings.total -= timings.preprocess + timings.vision_encoder
                timings.preprocess = timings.vision_encoder = 0.0
            else:
                timings.decode = picture._decode_seconds
                timings.total += timings.decode
                picture._told = True
            finished.append(result)
        return finished

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the folder again.
        return _reload, (type(self), *self._arguments)

    def __repr__(self) -> str:
        return f"<uffizi.Florence2 {self.info['path']}>"


def _reload(
    cls: type[Florence2], folder: str, compute: str, threads: int, lora: Adapters
) -> Florence2:
    return cls(folder, compute=compute, threads=threads, lora=lora)


def _is_list(pictures: Any) -> bool:
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 4
    return isinstance(pictures, (Sequence, Iterator)) and not isinstance(
        pictures, (str, bytes, bytearray, memoryview)
    )


def _make_prompt(
    task: Task, text: str | Sequence[str] | None, region: Region | None, width: int, height: int
) -> _native.Prompt:
    given = None
    if isinstance(task, tuple):
        if len(task) != 2:
            raise PromptError(
                f"a tuple is a task and its input, not {task!r}; several tasks are a list"
            )
        task, given = task
    if not isinstance(task, str):
        raise TypeError(f"a task is a string or a tuple of strings, not {type(task).__name__}")
    known = _native.find_task(task)
    if known is None:  # a whole prompt
        if given is not None:
            raise PromptError(f"no task is called {task}; a prompt of your own takes no input")
        return _native.make_prompt(None, task, width, height)
    if given is None and known.input == "text":
        given = text
    elif given is None and known.input == "region":
        given = region if region is not None else text
    return _native.make_prompt(known.token, _input_text(given, known.input), width, height)


def _input_text(given: str | Sequence[Any] | None, kind: str) -> str:
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    if kind == "region":
        return ",".join(repr(float(number)) for number in given)
    return ";".join(given)
