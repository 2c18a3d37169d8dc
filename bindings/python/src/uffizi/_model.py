"""The model: takes pictures and tasks, and returns results."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from . import _native
from ._engines import BUNDLED, Adapter, Adapters, find_adapters, load, resolve
from ._errors import ArgumentError
from ._pictures import Picture, to_pixels
from ._question import Asked
from ._results import Result, make_result
from ._stream import Stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from ._question import Question, Task, Unpack


class EncodedImage:
    """An encoded picture, about which any number of questions can be asked."""

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
        """Number of tiles; 0 if the picture is not tiled."""
        return self._encoded.tile_count

    @property
    def tokens(self) -> npt.NDArray[np.float32]:
        """The picture's embeddings, [image_tokens, d_model]; not a copy."""
        return self._encoded.tokens(self.model.info["d_model"])

    def __call__(self, tasks: Any, **question: Unpack[Question]) -> Any:
        """As `model(picture, tasks)`."""
        return self.model(self, tasks, **question)

    def stream(self, task: Task, **question: Unpack[Question]) -> Stream:
        """As `model.stream(picture, task)`."""
        return self.model.stream(self, task, **question)

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
        adapters = find_adapters(lora)
        self._arguments = (os.fspath(folder), compute, threads, adapters)
        self._engine = load(pathlib.Path(folder), compute, threads, adapters)
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
        `revision` if given: see `pull`. `lora` are adapters saved by peft, folders or names, which
        are merged into the weights; `(adapter, 0.5)` halves an adapter's weight. `compute` is the
        precision: "auto", "int4" (4-bit weights; others are quantized while loading), or "f32" for
        full precision. `threads` are those of one call; 0 means all that this process may use. A
        folder that is already loaded is shared.
        """
        exact = compute == "f32" or bool(lora)
        return cls(
            resolve(name_or_path, revision, exact), compute=compute, threads=threads, lora=lora
        )

    def encode(
        self,
        picture: Picture | EncodedImage,
        *,
        tiles: str = "",
        page: int = 1,
        pdf_dpi: float = 200.0,
        truncated: str = "refuse",
        allow_private_urls: bool = False,
    ) -> EncodedImage:
        """Encodes a picture, about which questions can be asked afterwards. With `tiles` ("auto",
        "3x2" for columns and rows, or "1000" for a side in pixels) questions about objects and
        words are asked about overlapping tiles, in which small ones are visible, and the answers
        are merged. `page` selects, from 1, a page of a TIFF or PDF or a frame of an animation (see
        `uffizi.count_pages`), and `pdf_dpi` the resolution of PDF pages. With `truncated="fill"` a
        truncated JPEG or PNG is used as far as it goes. A picture may be an http(s) address; those
        of this machine and of private networks only with `allow_private_urls`.
        """
        if isinstance(picture, EncodedImage):
            if picture.model._engine is not self._engine:
                raise ArgumentError("the picture was encoded by another model")
            return picture
        start = time.perf_counter()
        pixels = to_pixels(
            picture,
            page=page,
            pdf_dpi=pdf_dpi,
            truncated=truncated,
            allow_private_urls=allow_private_urls,
        )
        seconds = time.perf_counter() - start
        return EncodedImage(self, self._engine.encode(pixels, tiles), pixels, seconds)

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        pictures: Picture | EncodedImage,
        tasks: Task,
        *,
        batch_size: int = ...,
        tiles: str = ...,
        allow_private_urls: bool = ...,
        **question: Unpack[Question],
    ) -> Result: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self,
        pictures: Picture | EncodedImage,
        tasks: list[Task] | list[str],
        *,
        batch_size: int = ...,
        tiles: str = ...,
        allow_private_urls: bool = ...,
        **question: Unpack[Question],
    ) -> list[Result]: ...
    @overload
    def __call__(
        self,
        pictures: Sequence[Picture | EncodedImage],
        tasks: Task,
        *,
        batch_size: int = ...,
        tiles: str = ...,
        allow_private_urls: bool = ...,
        **question: Unpack[Question],
    ) -> list[Result]: ...
    @overload
    def __call__(
        self,
        pictures: Sequence[Picture | EncodedImage],
        tasks: list[Task] | list[str],
        *,
        batch_size: int = ...,
        tiles: str = ...,
        allow_private_urls: bool = ...,
        **question: Unpack[Question],
    ) -> list[list[Result]]: ...
    def __call__(
        self,
        pictures: Any,
        tasks: Any,
        *,
        batch_size: int = 8,
        tiles: str = "",
        allow_private_urls: bool = False,
        **question: Unpack[Question],
    ) -> Any:
        """Asks about pictures.

        `pictures` is one (path, address, bytes, file, PIL image, array, `EncodedImage`) or a sequence;
        `tasks` is one ("<OD>", "od", a prompt, or a tuple of task and input) or a list. The answer is a
        `Result`, or a list where a list was given: of pictures outside, of tasks inside. The answers
        to `batch_size` pictures are generated together; they are the same as one by one. `tiles` and
        `allow_private_urls` are those of `encode`. `Question` tells the rest: `text` and `region`,
        which some tasks need, `answer_as`, `min_score`, `labels`, and the options of the search, which
        have transformers' names.
        """
        one_picture, one_task = not is_list(pictures), not isinstance(tasks, list)
        wanted = [tasks] if one_task else tasks
        asked = Asked(wanted, question, self.info["max_positions"])
        all_pictures = [pictures] if one_picture else list(pictures)
        if batch_size < 1:
            raise ArgumentError(f"batch_size must be at least 1, not {batch_size}")
        answers: list[list[Result]] = []
        for begin in range(0, len(all_pictures), batch_size):
            batch = [
                self.encode(picture, tiles=tiles, allow_private_urls=allow_private_urls)
                for picture in all_pictures[begin : begin + batch_size]
            ]
            answers += self._ask(batch, wanted, asked)
        rows: list[Any] = [row[0] for row in answers] if one_task else answers
        return rows[0] if one_picture else rows

    def stream(
        self, picture: Picture | EncodedImage, task: Task, **question: Unpack[Question]
    ) -> Stream:
        """Asks one question and streams the answer: returns an iterator of `Token`s, whose `result`
        is available at the end."""
        asked = Asked([task], question, self.info["max_positions"])
        encoded = self.encode(picture)
        query = self._query(encoded, task, asked)

        def run(progress: Any) -> Result:
            return self._finish([encoded], self._engine.run([query], progress))[0]

        return Stream(run)

    def tokenize(self, text: str) -> list[int]:
        """The token ids of a text, with `<s>` and `</s>` as given to the model."""
        return self._engine.tokenize(text)

    def detokenize(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """The text of token ids."""
        return self._engine.detokenize(list(ids), skip_special_tokens)

    def _ask(
        self, batch: list[EncodedImage], tasks: list[Task], asked: Asked
    ) -> list[list[Result]]:
        encoded = [picture for picture in batch for _ in tasks]
        queries = [self._query(picture, task, asked) for picture in batch for task in tasks]
        results = self._finish(encoded, self._engine.run(queries, None))
        return [results[i * len(tasks) : (i + 1) * len(tasks)] for i in range(len(batch))]

    def _query(self, encoded: EncodedImage, task: Task, asked: Asked) -> _native.Query:
        prompt = asked.prompt(task, encoded.width, encoded.height)
        return self._engine.make_query(
            encoded._encoded, prompt, asked.options, asked.min_score, asked.labels
        )

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


def is_list(pictures: Any) -> bool:
    """Whether they are several pictures."""
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 4
    return isinstance(pictures, (Sequence, Iterator)) and not isinstance(
        pictures, (str, bytes, bytearray, memoryview)
    )


def as_model(model: Florence2 | str | os.PathLike[str] | None) -> Florence2:
    """The model itself, or that of a folder or name; the one that came with the package for None."""
    if isinstance(model, Florence2):
        return model
    return Florence2.from_pretrained(BUNDLED if model is None else model)
