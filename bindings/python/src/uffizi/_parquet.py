"""Pictures in Parquet files, such as Hugging Face's data sets, and answers as Parquet."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _native
from ._errors import ArgumentError, Error, NotFoundError
from ._model import EncodedImage, Florence2, as_model
from ._pictures import is_url
from ._results import Result

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

    from ._question import Question, Task, Unpack

#: Names of picture columns to try if none is given.
COLUMNS = (
    "image",
    "images",
    "picture",
    "pictures",
    "img",
    "photo",
    "bytes",
    "path",
    "file",
    "file_name",
    "filename",
    "image_path",
    "url",
)

#: An interrupted job loses the answers of fewer rows than this.
ROWS_PER_PART = 256

#: Rows per row group of the Parquet file.
ROWS_PER_GROUP = 4096


def annotate_parquet(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    tasks: Task | list[Task] | list[str],
    *,
    column: str | None = None,
    model: Florence2 | str | os.PathLike[str] | None = None,
    batch_size: int = 8,
    restart: bool = False,
    progress: bool = True,
    tiles: str = "",
    allow_private_urls: bool = False,
    **question: Unpack[Question],
) -> pathlib.Path:
    """Annotates the pictures in a column of Parquet files and writes a row for each picture.

    `source` is a file, a folder of such, or several. The column holds pictures as Hugging Face keeps
    them (a struct of bytes and path), bytes, paths (from the file's folder), http(s) addresses, or
    lists of any of these; `column` names it. `output` ends in .parquet or .jsonl. Its rows have `file`,
    `row` and, of a list, `item` of the picture, its size, `results` (task, text, labels, scores, bboxes,
    quad_boxes and polygons of each task) and, where the picture cannot be read, `error`.

    Rows are streamed. If a call is interrupted, the same call resumes it: answers are kept beside
    the output, in OUTPUT.job, until they are complete. `restart` starts over. An existing output is
    not replaced.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("Parquet files need `pip install uffizi[parquet]`") from error
    files = _find_files(source)
    place = pathlib.Path(output)
    if place.suffix not in (".parquet", ".jsonl"):
        raise ArgumentError(f"{place}: the output's name ends in .parquet or .jsonl")
    if os.path.lexists(place):
        raise ArgumentError(f"{place}: is there already; remove it, or choose another name")
    model = as_model(model)
    wanted: list[Any] = tasks if isinstance(tasks, list) else [tasks]
    asked = {
        "files": [str(file) for file in files],
        "column": column,
        "tasks": repr(wanted),
        "tiles": tiles,
        "question": repr(sorted(question.items())),
        "model": model.info["path"],
    }
    job = _Job(place, asked, restart)

    answer = _answerer(model, wanted, batch_size, tiles, allow_private_urls, question)
    rows: list[dict[str, Any]] = []
    seen = 0
    for row in _pictures(files, column, skip=job.rows_done):
        seen += 1
        rows.append(row)
        if seen % ROWS_PER_PART == 0:
            answer(rows)
            job.add(rows)
            rows = []
            if progress:
                print(f"uffizi: {job.rows_done} pictures", flush=True)
    if rows:
        answer(rows)
        job.add(rows)
    return job.finish()


def _find_files(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> list[pathlib.Path]:
    if not isinstance(source, (str, os.PathLike)):
        return [pathlib.Path(path) for path in source]
    path = pathlib.Path(source)
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise NotFoundError(f"{path}: no .parquet file in it")
        return files
    if not path.exists():
        raise NotFoundError(f"{path}: no such file")
    return [path]


def _choose_column(schema: pyarrow.Schema, column: str | None, file: pathlib.Path) -> str:
    names: list[str] = schema.names
    if column is not None:
        if column not in names:
            raise ArgumentError(
                f"{file}: no column is called {column}; there are {', '.join(names)}"
            )
        return column
    for name in COLUMNS:
        if name in names:
            return name
    raise ArgumentError(f"{file}: say which column holds pictures; there are {', '.join(names)}")


def _pictures(files: list[pathlib.Path], column: str | None, skip: int) -> Iterator[dict[str, Any]]:
    """A row for each picture, after the first `skip`, with the picture under "picture"."""
    import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]

    place = 0
    for file in files:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            name = _choose_column(parquet.schema_arrow, column, file)
            row = 0
            for batch in parquet.iter_batches(32, columns=[name]):
                for cell in batch.column(0):
                    value = cell.as_py()
                    several = isinstance(value, list)
                    for item, one in enumerate(value if several else [value]):
                        place += 1
                        if place > skip:
                            picture, called = _open_cell(one, file)
                            yield {
                                "file": str(file),
                                "row": row,
                                "item": item if several else None,
                                "image": called,
                                "picture": picture,
                            }
                    row += 1


def _open_cell(value: Any, file: pathlib.Path) -> tuple[Any, str | None]:
    """What a cell says a picture is, and what it is called."""
    if isinstance(value, dict):
        name = value.get("path")
        if value.get("bytes") is not None:
            return value["bytes"], name
        value = name
    if isinstance(value, (bytes, bytearray)):
        return bytes(value), None
    if isinstance(value, str) and value:
        return value if is_url(value) else file.parent / value, value
    return None, None


def _answerer(
    model: Florence2,
    tasks: list[Any],
    batch_size: int,
    tiles: str,
    allow_private_urls: bool,
    question: Question,
) -> Callable[[list[dict[str, Any]]], None]:
    """Replaces the picture of each row that it is given by what was found out about it."""

    def encode(picture: Any) -> EncodedImage:
        return model.encode(picture, tiles=tiles, allow_private_urls=allow_private_urls)

    def answer(rows: list[dict[str, Any]]) -> None:
        for begin in range(0, len(rows), batch_size):
            part = rows[begin : begin + batch_size]
            encoded = [(row, image) for row in part if (image := _encode(row, encode))]
            images = [image for _, image in encoded]
            answers = model(images, tasks, batch_size=batch_size, **question)
            for (row, _), results in zip(encoded, answers):
                row["results"] = [_result_row(result) for result in results]

    return answer


def _encode(row: dict[str, Any], encode: Callable[[Any], EncodedImage]) -> EncodedImage | None:
    """The picture of a row, in whose place the row gets its size, or what is wrong with it."""
    picture = row.pop("picture")
    row |= {"width": None, "height": None, "results": None, "error": None}
    try:
        if picture is None:
            raise NotFoundError("the cell names no picture")
        image = encode(picture)
    except Error as error:
        row["error"] = f"{error.code}: {error}"
        return None
    row["width"], row["height"] = image.width, image.height
    return image


def _result_row(result: Result) -> dict[str, Any]:
    regions = result.regions
    return {
        "task": result.task or result.prompt,
        "text": result.caption if result.shape == "text" else None,
        "labels": [r.label for r in regions],
        "scores": [r.score for r in regions],
        "bboxes": [list(r.bounds) for r in regions],
        "quad_boxes": [list(r.quad) for r in regions if r.quad],
        "polygons": [r.polygons for r in regions if r.polygons],
    }


def _schema() -> pyarrow.Schema:
    import pyarrow as pa  # type: ignore[import-untyped, import-not-found, unused-ignore]

    numbers = pa.list_(pa.float32())
    result = pa.struct(
        [
            ("task", pa.string()),
            ("text", pa.string()),
            ("labels", pa.list_(pa.string())),
            ("scores", numbers),
            ("bboxes", pa.list_(numbers)),
            ("quad_boxes", pa.list_(numbers)),
            ("polygons", pa.list_(pa.list_(numbers))),
        ]
    )
    return pa.schema(
        [
            ("file", pa.string()),
            ("row", pa.int64()),
            ("item", pa.int32()),
            ("image", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("results", pa.list_(result)),
            ("error", pa.string()),
        ]
    )


class _Job:
    """The answers of an incomplete output, in a folder beside it."""

    NOTE, ROWS = "job.json", "rows.jsonl"

    def __init__(self, output: pathlib.Path, asked: dict[str, Any], restart: bool) -> None:
        self._output = output
        folder = output.with_name(output.name + ".job")
        self._folder = _native.JobFolder(folder, [self.NOTE, self.ROWS])
        self._mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        self.rows_done = 0
        self._length = 0  # of what is valid of the rows' file, in bytes
        note = self._folder.place(self.NOTE)
        if note.exists() and not restart:
            before = json.loads(note.read_text())
            if before["mark"] != self._mark:
                raise ArgumentError(
                    f"{folder} belongs to a job with other files, tasks or options; "
                    "restart=True begins again"
                )
            self.rows_done, self._length = before["rows"], before["length"]
        self._write_note()

    def _write_note(self) -> None:
        note = {"mark": self._mark, "rows": self.rows_done, "length": self._length}
        self._folder.write(self.NOTE, json.dumps(note).encode())

    def add(self, rows: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self._length = self._folder.append(self.ROWS, self._length, lines.encode())
        self.rows_done += len(rows)
        self._write_note()

    def finish(self) -> pathlib.Path:
        """Moves the answers to the output, which fails if that has been created meanwhile."""
        self._folder.append(self.ROWS, self._length, b"")
        out = _native.OutFile(self._output)
        with self._folder.place(self.ROWS).open("rb") as rows:
            if self._output.suffix == ".jsonl":
                while piece := rows.read(1 << 20):
                    out.write(piece)
            else:
                _write_parquet(rows, out)
        out.finish()
        self._folder.remove()
        return self._output


def _write_parquet(rows: BinaryIO, out: _native.OutFile) -> None:
    import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with pyarrow.parquet.ParquetWriter(_Sink(out), _schema()) as writer:
        while lines := list(itertools.islice(rows, ROWS_PER_GROUP)):
            some = [json.loads(line) for line in lines]
            writer.write_table(pyarrow.Table.from_pylist(some, _schema()))


class _Sink(io.RawIOBase):
    """What pyarrow writes into goes to an OutFile."""

    def __init__(self, out: _native.OutFile) -> None:
        self._out, self._written = out, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._out.write(piece)
        self._written += len(piece)
        return len(piece)
