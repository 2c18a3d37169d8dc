"""Annotates folders of pictures into tables."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import Error, NotFoundError
from ._model import Florence2, as_model
from ._pictures import PageSelection, Picture, download, find_pictures, is_url
from ._results import Result

if TYPE_CHECKING:
    import pandas

    from ._pictures import Pages
    from ._question import Question, Task, Unpack

COLUMNS = [
    "image",
    "page",
    "pages",
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
    pages: Pages | None = None,
    tiles: str = "",
    allow_private_urls: bool = False,
    **question: Unpack[Question],
) -> pandas.DataFrame:
    """Annotates all pictures of a folder (or a file, or many paths and addresses). Returns a pandas
    DataFrame.

    There is one row for each region found, with its label, score and box; a text answer, an answer
    without regions and a picture that cannot be read have one row each. `outline` holds the polygons
    or the quad of a region that has any; `error` says what is wrong with a picture. In a folder,
    the files with an extension in `uffizi.SUFFIXES` are read, as on the command line. `pages`
    selects pages of TIFF and PDF files and frames of animations, "all" or numbers from 1 such as
    `[1, 3]`; without it the first one is taken, and the column `pages` says how many there are. The
    other options are those of `Florence2.__call__`.
    """
    try:
        import pandas
        from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError("annotate() needs `pip install uffizi[pandas]`") from error
    model = as_model(model)
    selection = PageSelection(pages)
    paths = _list_pictures(pictures, recursive)
    wanted: list[Any] = tasks if isinstance(tasks, list) else [tasks]
    rows: list[dict[str, Any]] = []
    with tqdm(total=len(paths), unit="picture", disable=not progress) as bar:
        entries = _open(paths, selection, allow_private_urls)
        done = 0
        while batch := list(itertools.islice(entries, batch_size)):
            encoded: list[Any] = []
            problems: list[Error | None] = []
            for entry in batch:
                try:
                    if entry.error is not None:
                        raise entry.error
                    image = model.encode(
                        entry.picture,
                        tiles=tiles,
                        page=entry.page,
                        allow_private_urls=allow_private_urls,
                    )
                    encoded.append(image)
                    problems.append(None)
                except Error as error:
                    problems.append(error)
            answers = iter(model(encoded, wanted, batch_size=batch_size, **question))
            for entry, problem in zip(batch, problems):
                common = {"image": str(entry.path), "page": entry.page, "pages": entry.pages}
                if problem is not None:
                    rows.append(common | {"error": f"{problem.code}: {problem}"})
                    continue
                for result in next(answers):
                    rows.extend(common | row for row in _rows(result))
            bar.update(batch[-1].number - done)
            done = batch[-1].number
    return pandas.DataFrame(rows, columns=COLUMNS)


class _Page(NamedTuple):
    """A page of the file at `path`, which is the `number`th of the call, from 1."""

    path: str | pathlib.Path
    number: int
    picture: Picture
    page: int
    pages: int
    error: Error | None = None


def _open(
    paths: list[str | pathlib.Path], selection: PageSelection, allow_private_urls: bool
) -> Iterator[_Page]:
    """The selected pages of all files; a file that cannot be read is one page with its error."""
    for number, path in enumerate(paths, 1):
        picture: Picture = path
        try:
            if is_url(path):
                picture = download(path, allow_private_urls)
            selected, count = selection.of(picture)
        except Error as error:
            yield _Page(path, number, picture, 1, 1, error)
            continue
        for page in selected:
            yield _Page(path, number, picture, page, count)


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


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    common = {
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
