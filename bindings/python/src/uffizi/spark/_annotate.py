"""Produces the stages' columns without the jar, for clusters that allow only Python packages."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._answers import DOCUMENT, FOUND, annotation, describe, failure, found, shortest, spark_type

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame

#: The stage's parameters by the names that the search has.
_SEARCH = {
    "beamSize": "num_beams",
    "minOutputLength": "min_length",
    "maxOutputLength": "max_length",
    "doSample": "do_sample",
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
    "repetitionPenalty": "repetition_penalty",
    "noRepeatNgramSize": "no_repeat_ngram_size",
    "lengthPenalty": "length_penalty",
    "ignoreTokenIds": "suppress_tokens",
    "stopTokenIds": "eos_token_id",
    "randomSeed": "seed",
}
#: Default search parameters of a stage.
_DEFAULTS = {"num_beams": 1, "max_length": 200, "no_repeat_ngram_size": 3, "eos_token_id": [2]}
_SPECIAL_TOKENS = ("<s>", "</s>", "<pad>")

_models: dict[Any, Any] = {}


def annotate(
    df: DataFrame,
    task: Any = "<OD>",
    *,
    model: str = "uffizi-tiny",
    inputCol: str = "content",
    textCol: str = "text",
    outputCol: str = "answer",
    structCol: str = "",
    annotatedImage: str = "png",
    annotatedImagePixels: int = 8_000_000,
    batchSize: int = 8,
    compute: str = "auto",
    lora: Any = (),
    pages: Any = None,
    tiles: str = "",
    minScore: float | None = None,
    labels: Any = (),
    answerAs: str = "",
    **search: Any,
) -> DataFrame:
    """Annotates the pictures of a data frame: returns its columns and `outputCol`, as from
    Florence2Transformer.

    It needs no jar, with or without Spark Connect, but the packages uffizi and uffizi-spark on all
    workers, each of which loads the model once. `inputCol` holds the bytes of picture files, as
    `spark.read.format("binaryFile")` reads them. What is asked is in the column `textCol` (a text
    or an array of texts), or `task` where the frame has no such column. `model` is a folder that
    workers reach, or a name as for `uffizi.Florence2.from_pretrained`. `search` takes the stage's
    parameters: beamSize, maxOutputLength, ...

    `pages` selects pages of TIFF and PDF files and frames of animations, "all" or numbers from 1
    such as [1, 3]: each has a row of its own, with its number in the column `page`. Without it
    there is one row for each file, about its first page.

    Spark sends workers 10,000 rows at once unless spark.sql.execution.arrow.maxRecordsPerBatch is
    lower; for pictures, set it to about 64.
    """
    from pyspark.sql.types import StructField, StructType

    generation = _generation(search, minScore, labels)
    if annotatedImage not in ("png", "jpeg", "none"):
        raise ValueError(f"annotatedImage must be png, jpeg or none, not {annotatedImage!r}")
    schema = df.schema
    names = schema.names
    picture_index = _index(names, inputCol)
    text_index = _text_index(schema, textCol)
    added = [("page", "int")] if pages is not None else []
    added += [(outputCol, DOCUMENT)] + ([(structCol, FOUND)] if structCol else [])
    for name, _ in added:
        if name in names:
            raise ValueError(f"column {name} exists already")
    output = StructType(
        list(schema.fields) + [StructField(name, spark_type(text), True) for name, text in added]
    )
    ask = _Asking(
        model,
        compute,
        tuple(lora),
        tiles,
        generation,
        answerAs,
        batchSize,
        annotatedImage,
        annotatedImagePixels,
    )
    origin_index = names.index("path") if names.count("path") == 1 else None
    default = list(task) if isinstance(task, (list, tuple)) else task

    def run(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow
        from pyspark.sql.pandas.types import to_arrow_type

        types = [to_arrow_type(field.dataType) for field in output.fields[len(names) :]]
        for batch in batches:
            chosen = _select_pages(batch.column(picture_index), pages)
            while places := list(itertools.islice(chosen, batchSize)):
                if pages is None:  # without a copy of the pictures
                    piece = batch.slice(places[0][0], len(places))
                else:
                    piece = batch.take(pyarrow.array([row for row, _ in places]))
                numbers = [page for _, page in places]
                pictures = piece.column(picture_index).to_pylist()
                texts = (
                    [default] * len(pictures)
                    if text_index is None
                    else piece.column(text_index).to_pylist()
                )
                origins = (
                    [""] * len(pictures)
                    if origin_index is None
                    else piece.column(origin_index).to_pylist()
                )
                rows = ask(pictures, numbers, texts, origins)
                columns: list[Any] = [numbers] if pages is not None else []
                columns += [
                    [[answer[i] for answer in row] for row in rows]
                    for i in range(len(types) - len(columns))
                ]
                arrays = [pyarrow.array(c, type=t) for c, t in zip(columns, types)]
                yield pyarrow.RecordBatch.from_arrays(
                    piece.columns + arrays, names=names + [name for name, _ in added]
                )

    return df.mapInArrow(run, output)


def _select_pages(pictures: pyarrow.Array, pages: Any) -> Iterator[tuple[int, int]]:
    """The index of each row with the number of a page, once for each page that is selected."""
    if pages is None:
        yield from ((row, 1) for row in range(len(pictures)))
        return
    import uffizi
    from uffizi._pictures import PageSelection

    selection = PageSelection(pages)
    for row, picture in enumerate(pictures):
        selected = [selection.first]  # which says what is wrong with the picture
        if picture.is_valid:
            try:
                selected, _ = selection.of(picture.as_py())
            except uffizi.Error:
                pass
        yield from ((row, page) for page in selected)


def _generation(search: dict[str, Any], min_score: float | None, labels: Any) -> dict[str, Any]:
    """The stage's parameters of the search as `Florence2` takes them."""
    generation = dict(_DEFAULTS)
    for name, value in search.items():
        if name not in _SEARCH:
            known = ", ".join(sorted(_SEARCH))
            raise TypeError(
                f"annotate() has no parameter {name!r}; of the search there are {known}"
            )
        if not (name == "ignoreTokenIds" and not value):
            generation[_SEARCH[name]] = value
    if min_score is not None:
        generation["min_score"] = min_score
    if labels:
        generation["labels"] = list(labels)
    return generation


def _text_index(schema: Any, name: str) -> int | None:
    """The index of the column of texts, if there is one."""
    from pyspark.sql.types import ArrayType, StringType

    if name not in schema.names:
        return None
    index = _index(schema.names, name)
    kind = schema.fields[index].dataType
    if kind not in (StringType(), ArrayType(StringType()), ArrayType(StringType(), False)):
        raise TypeError(
            f"column {name} must hold a string or an array of strings, not {kind.simpleString()}"
        )
    return index


def _index(names: list[str], name: str) -> int:
    if names.count(name) != 1:
        found = "no column" if name not in names else f"{names.count(name)} columns"
        raise ValueError(f"{found} called {name}; there are {', '.join(names)}")
    return names.index(name)


class _Asking:
    """What a worker does with some rows; sent to it with the task."""

    def __init__(
        self,
        model: str,
        compute: str,
        lora: Any,
        tiles: str,
        generation: dict[str, Any],
        answer_as: str,
        batch_size: int,
        annotated: str,
        annotated_pixels: int,
    ) -> None:
        self.model = model
        self.compute = compute
        self.lora = lora
        self.tiles = tiles
        self.generation = generation
        self.answer_as = answer_as
        self.batch_size = batch_size
        self.annotated = annotated
        self.annotated_pixels = annotated_pixels

    def _load(self) -> Any:
        """The model, loaded once in a worker process: Spark uses it for many tasks."""
        try:
            import uffizi
        except ImportError as error:
            raise ImportError(
                "annotate() needs the package uffizi on all workers: pip install uffizi"
            ) from error
        if not hasattr(uffizi, "Florence2"):
            raise ImportError(
                "annotate() needs the package uffizi beside uffizi-spark, on all workers"
            )
        from pyspark import TaskContext

        context = TaskContext.get()
        threads = context.cpus() if context is not None else 0
        key = (self.model, self.compute, self.lora, threads)
        if key not in _models:
            _models.clear()  # one at a time: they are large
            _models[key] = uffizi.Florence2.from_pretrained(
                self.model, compute=self.compute, threads=threads, lora=list(self.lora)
            )
        return _models[key]

    def __call__(
        self, pictures: list[Any], pages: list[int], texts: list[Any], origins: list[str]
    ) -> list[list[tuple[Any, Any]]]:
        import uffizi

        model = self._load()
        rows: list[list[Any]] = []
        encoded: dict[int, Any] = {}
        for i, (picture, text) in enumerate(zip(pictures, texts)):
            asked = text if isinstance(text, (list, tuple)) else [text]
            rows.append([None] * len(asked))
            problem = "the picture is null" if picture is None else ""
            if not problem and len(picture) == 0:
                problem = "the file is empty"
            code = "invalid_image"
            if not problem:
                try:
                    encoded[i] = model.encode(bytes(picture), tiles=self.tiles, page=pages[i])
                except uffizi.Error as error:
                    problem, code = str(error), error.code
            for j, task in enumerate(asked):
                if problem:
                    named = f"{origins[i]}: {problem}" if origins[i] else problem
                    rows[i][j] = failure(task, code, named)
                elif task is None:
                    rows[i][j] = failure(None, "invalid_prompt", "the text is null")
                else:
                    rows[i][j] = task
        self._answer(model, encoded, rows)
        return rows

    def _answer(self, model: Any, encoded: dict[int, Any], rows: list[list[Any]]) -> None:
        """Puts answers in the place of texts; those that can be asked together are."""
        import uffizi
        from uffizi._question import names_task

        waiting = [
            (i, j, task)
            for i, row in enumerate(rows)
            for j, task in enumerate(row)
            if isinstance(task, str)
        ]
        tasks = sorted({task for _, _, task in waiting})
        for task in tasks:
            places = [(i, j) for i, j, other in waiting if other == task]
            prompt = _split(task or "<OD>")
            options = dict(self.generation)
            if self.answer_as and not names_task(prompt):
                options["answer_as"] = self.answer_as
            try:
                results = model(
                    [encoded[i] for i, _ in places],
                    prompt,
                    batch_size=self.batch_size,
                    **options,
                )
            except uffizi.ArgumentError:
                raise
            except uffizi.Error as error:
                for i, j in places:
                    rows[i][j] = failure(task, error.code, str(error))
                continue
            for (i, j), result in zip(places, results):
                rows[i][j] = (self._document(task, result), found(task, result))

    def _document(self, task: str, result: Any) -> dict[str, Any]:
        text = result.text
        for token in _SPECIAL_TOKENS:
            text = text.replace(token, "")
        text = text.strip()
        metadata = {
            "task": task,
            "florence2_postprocessed": describe(result),
            "florence2_postprocessed_raw": json.dumps(shortest(result.answer), ensure_ascii=False),
        }
        if result.shape != "text" and self.annotated != "none":
            metadata["florence2_image"] = self._drawn(result)
        if result.truncated:
            metadata["truncated"] = "true"
        return annotation(text, metadata)

    def _drawn(self, result: Any) -> str:
        image = result.draw()
        pixels = image.width * image.height
        if pixels > self.annotated_pixels:
            shrink = (self.annotated_pixels / pixels) ** 0.5
            image = image.resize(
                (max(1, int(image.width * shrink)), max(1, int(image.height * shrink)))
            )
        data = io.BytesIO()
        image.save(data, self.annotated.upper(), quality=92)
        return base64.b64encode(data.getvalue()).decode()


def _split(text: str) -> Any:
    """ "<TASK>input" as the package takes it."""
    import uffizi

    for info in uffizi.TASKS.values():
        if text.startswith(info.token) and len(text) > len(info.token):
            return info.token, text[len(info.token) :].strip()
    return text
