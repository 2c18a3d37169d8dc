"""Annotates folders of pictures into tables."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._errors import Error, NotFoundError
from ._model import Florence2, as_model
from ._pictures import find_pictures, is_url
from ._results import Result

if TYPE_CHECKING:
    import pandas

    from ._question import Question, Task, Unpack

COLUMNS = [
    "image",
    "width",
    "height",
    "task",
    "text",
    "label",
    "score",
    "x1",
    "y1",
    "x2",
    "y2",
    "outline",
    "error",
]


def annotate(
    pictures: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    tasks: Task | list[Task] | list[str],
    *,
    model: Florence2 | str | os.PathLike[str] | None = None,
    recursive: bool = True,
    progress: bool = True,
    batch_size: int = 8,
    tiles: str = "",
    allow_private_urls: bool = False,
    **question: Unpack[Question],
) -> pandas.DataFrame:
    """Annotates all pictures of a folder (or a file, or many paths and addresses). Returns a pandas
    DataFrame.

    There is one row for each region found, with its label, score and box; a text answer, an answer
    without regions and a picture that cannot be read have one row each. `outline` holds the polygons
    or the quad of a region that has any; `error` says what is wrong with a picture. In a folder,
    the files with an extension in `uffizi.SUFFIXES` are read, as on the command line. The other
    options are those of `Florence2.__call__`.
    """
    try:
        import pandas
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("annotate() needs `pip install uffizi[pandas]`") from error
    model = as_model(model)
    paths = _list_pictures(pictures, recursive)
    wanted: list[Any] = tasks if isinstance(tasks, list) else [tasks]
    rows: list[dict[str, Any]] = []
    with tqdm(total=len(paths), unit="picture", disable=not progress) as bar:
        for begin in range(0, len(paths), batch_size):
            batch = paths[begin : begin + batch_size]
            encoded, broken = [], {}
            for path in batch:
                try:
                    image = model.encode(path, tiles=tiles, allow_private_urls=allow_private_urls)
                    encoded.append((path, image))
                except Error as error:
                    broken[path] = error
            answers = model(
                [picture for _, picture in encoded], wanted, batch_size=batch_size, **question
            )
            by_path = {path: results for (path, _), results in zip(encoded, answers)}
            for path in batch:
                if path in broken:
                    rows.append(
                        {"image": str(path), "error": f"{broken[path].code}: {broken[path]}"}
                    )
                for result in by_path.get(path, []):
                    rows.extend(_rows(path, result))
            bar.update(len(batch))
    return pandas.DataFrame(rows, columns=COLUMNS)


def _list_pictures(
    pictures: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], recursive: bool
) -> list[str | pathlib.Path]:
    if not isinstance(pictures, (str, os.PathLike)):
        return [path if is_url(path) else pathlib.Path(path) for path in pictures]
    if is_url(pictures):
        return [pictures]
    path = pathlib.Path(pictures)
    if path.is_dir():
        return list(find_pictures(path, recursive))
    if not path.exists():
        raise NotFoundError(f"{path}: no such folder")
    return [path]


def _rows(path: str | pathlib.Path, result: Result) -> Iterator[dict[str, Any]]:
    common = {
        "image": str(path),
        "width": result.width,
        "height": result.height,
        "task": result.task or result.prompt,
    }
    if result.shape == "text":
        yield common | {"text": result.caption}
    elif not result.regions:
        yield common
    for region in result.regions:
        yield common | {
            "label": region.label,
            "score": region.score,
            **region.bounds._asdict(),
            "outline": region.polygons or ([list(region.quad)] if region.quad else None),
        }
