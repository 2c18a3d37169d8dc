"""Pictures in Parquet files, such as Hugging Face's data sets, and answers as Parquet."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import ArgumentError, Error, NotFoundError
from ._model import Florence2, Region, Task
from ._results import Result

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]

    from ._generation import Generation, Unpack

#: Columns that hold pictures, where none is named: the first of these that is there.
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

#: Rows of the input whose answers are one part of an unfinished job.
ROWS_PER_PART = 256


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
    min_score: float = 0.0,
    labels: Sequence[str] | None = None,
    text: str | Sequence[str] | None = None,
    region: Region | None = None,
    **generation: Unpack[Generation],
) -> pathlib.Path:
    """Asks about the pictures in a column of Parquet files, and writes a row for each picture.

    `source` is a file, a folder of such, or several. The column holds pictures as Hugging Face keeps
    them (a struct of bytes and path), bytes, paths (from the file's folder), or lists of any of these;
    `column` names it. `output` ends in .parquet or .jsonl. Its rows have `file`, `row` and, of a list,
    `item` of the picture, its size, `results` (task, text, labels, scores, bboxes, quad_boxes and
    polygons of each task) and, where the picture cannot be read, `error`.

    Rows are streamed. A call that was stopped goes on where it was when it is made again: parts of the
    answers are kept beside the output, in OUTPUT.job, until it is whole. `restart` begins again. An
    output that is there already is not replaced.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("Parquet files need `pip install uffizi[parquet]`") from error
    files = _find_files(source)
    place = pathlib.Path(output)
    if place.suffix not in (".parquet", ".jsonl"):
        raise ArgumentError(f"{place}: the output's name ends in .parquet or .jsonl")
    if place.exists():
        raise ArgumentError(f"{place}: is there already; remove it, or choose another name")
    if not isinstance(model, Florence2):
        model = Florence2.from_pretrained() if model is None else Florence2.from_pretrained(model)
    wanted: list[Any] = tasks if isinstance(tasks, list) else [tasks]
    asked = {
        "files": [str(file) for file in files],
        "column": column,
        "tasks": repr(wanted),
        "text": repr(text),
        "region": repr(region),
        "tiles": tiles,
        "min_score": min_score,
        "labels": repr(labels),
        "generation": repr(sorted(generation.items())),
        "model": model.info["path"],
    }
    job = _Job(place, asked, restart)
    rows: list[dict[str, Any]] = []
    seen = 0
    for row in _pictures(files, column, skip=job.rows_done):
        seen += 1
        rows.append(row)
        if seen % ROWS_PER_PART == 0:
            _answer(
                model, rows, wanted, batch_size, tiles, min_score, labels, text, region, generation
            )
            job.add(rows)
            rows = []
            if progress:
                print(f"uffizi: {job.rows_done} pictures", flush=True)
    if rows:
        _answer(model, rows, wanted, batch_size, tiles, min_score, labels, text, region, generation)
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
        return file.parent / value, value
    return None, None


def _answer(
    model: Florence2,
    rows: list[dict[str, Any]],
    tasks: list[Any],
    batch_size: int,
    tiles: str,
    min_score: float,
    labels: Sequence[str] | None,
    text: Any,
    region: Any,
    generation: Any,
) -> None:
    """Replaces each row's picture by what was found out about it."""
    for begin in range(0, len(rows), batch_size):
        encoded = []
        for row in rows[begin : begin + batch_size]:
            picture = row.pop("picture")
            row |= {"width": None, "height": None, "results": None, "error": None}
            try:
                if picture is None:
                    raise NotFoundError("the cell names no picture")
                image = model.encode(picture, tiles=tiles)
                row["width"], row["height"] = image.width, image.height
                encoded.append((row, image))
            except Error as error:
                row["error"] = f"{error.code}: {error}"
        answers = model(
            [image for _, image in encoded],
            tasks,
            text=text,
            region=region,
            batch_size=batch_size,
            min_score=min_score,
            labels=labels,
            **generation,
        )
        for (row, _), results in zip(encoded, answers):
            row["results"] = [_result_row(result) for result in results]


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
    """Parts of an output that is not whole yet, in a folder beside it."""

    def __init__(self, output: pathlib.Path, asked: dict[str, Any], restart: bool) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".job")
        self._check_folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._note = self.folder / "job.json"
        mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if self._note.exists() and not restart:
            before = json.loads(self._note.read_text())
            if before["mark"] != mark:
                raise ArgumentError(
                    f"{self.folder} belongs to a job with other files, tasks or options; "
                    "restart=True begins again"
                )
            self._parts: list[int] = before["parts"]
        else:
            self._parts = []
        self._mark = mark
        self._write_note()

    def _check_folder(self) -> None:
        """Everything in the folder is of such a job, or it is left alone."""
        known = re.compile(rf"job\.(json|new)|(part-\d{{6,}}|whole){re.escape(self.output.suffix)}")
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise ArgumentError(f"{self.folder} is in the way: the job keeps its parts there")
        found = sorted(self.folder.iterdir()) if self.folder.exists() else []
        strange = [entry.name for entry in found if not known.fullmatch(entry.name)]
        if strange or (found and not (self.folder / "job.json").exists()):
            raise ArgumentError(
                f"{self.folder} holds files that are no job's ({(strange or [found[0].name])[0]}); "
                "name another output, or move them"
            )

    @property
    def rows_done(self) -> int:
        return sum(self._parts)

    def _part(self, number: int) -> pathlib.Path:
        return self.folder / f"part-{number:06}{self.output.suffix}"

    def _write_note(self) -> None:
        fresh = self._note.with_suffix(".new")
        fresh.write_text(json.dumps({"mark": self._mark, "parts": self._parts}))
        os.replace(fresh, self._note)

    def add(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow  # type: ignore[import-untyped, import-not-found, unused-ignore]
        import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]

        part = self._part(len(self._parts))
        if part.suffix == ".parquet":
            table = pyarrow.Table.from_pylist(rows, _schema())
            pyarrow.parquet.write_table(table, part)
        else:
            part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        self._parts.append(len(rows))
        self._write_note()

    def finish(self) -> pathlib.Path:
        """Puts the parts together, one after another."""
        import pyarrow.parquet  # type: ignore[import-untyped, import-not-found, unused-ignore]

        whole = self.folder / f"whole{self.output.suffix}"
        parts = [self._part(number) for number in range(len(self._parts))]
        if whole.suffix == ".parquet":
            with pyarrow.parquet.ParquetWriter(whole, _schema()) as writer:
                for part in parts:
                    writer.write_table(pyarrow.parquet.read_table(part, schema=_schema()))
        else:
            with whole.open("wb") as out:
                for part in parts:
                    out.write(part.read_bytes())
        os.link(whole, self.output)  # fails if somebody has made it meanwhile
        for made in [*parts, whole, self._note]:
            made.unlink()
        try:
            self.folder.rmdir()
        except OSError:
            pass  # something of another's lies in it
        return self.output
