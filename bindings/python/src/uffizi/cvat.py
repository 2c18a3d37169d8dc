"""An auto-annotation function for CVAT, which labels the pictures of a task there.

    cvat-cli --server-host https://cvat.example.com task auto-annotate 137 \\
        --function-module uffizi.cvat -p "names=str:car=a red car, person"
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

try:
    import cvat_sdk.auto_annotation as cvataa  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError as error:
    raise ImportError("uffizi.cvat needs `pip install cvat-sdk`") from error

from . import _model
from ._errors import ArgumentError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import PIL.Image

    from ._question import Question, Unpack
    from ._results import Region

BOXES = "<OPEN_VOCABULARY_DETECTION>"


class Florence2:
    """Finds what the label of each name means; "NAME=PHRASE" makes the model look for other words.

    With `task` "<OPEN_VOCABULARY_DETECTION>" or "<CAPTION_TO_PHRASE_GROUNDING>", shapes are rectangles; with
    "<REFERRING_EXPRESSION_SEGMENTATION>" they are polygons. A picture is encoded once for all labels. The options
    are those of `uffizi.Florence2.__call__`; CVAT's threshold replaces `min_score`.
    """

    def __init__(
        self,
        names: str | Sequence[str],
        *,
        model: _model.Florence2 | str | os.PathLike[str] | None = None,
        task: str = BOXES,
        tiles: str = "",
        **question: Unpack[Question],
    ) -> None:
        given = names.split(",") if isinstance(names, str) else names
        pairs = [label.partition("=") for label in given]
        labels = [name.strip() for name, _, _ in pairs]
        self._phrases = [phrase.strip() or name.strip() for name, _, phrase in pairs]
        if not all(labels):
            raise ArgumentError("names: a name is empty")
        self.spec = cvataa.DetectionFunctionSpec(
            labels=[cvataa.label_spec(name, number) for number, name in enumerate(labels)]
        )
        self._florence = _model.as_model(model)
        self._task = task
        self._tiles = tiles
        self._question = question

    def detect(self, context: Any, image: PIL.Image.Image) -> list[Any]:
        """The shapes in a picture; CVAT calls this."""
        question = self._question.copy()
        if context.conf_threshold is not None:
            question["min_score"] = context.conf_threshold
        picture = self._florence.encode(image, tiles=self._tiles)
        results = picture([(self._task, phrase) for phrase in self._phrases], **question)
        found = (_shapes(number, result.regions) for number, result in enumerate(results))
        return list(itertools.chain.from_iterable(found))


def create(names: str, **options: Any) -> Florence2:
    """What cvat-cli calls, with the parameters of its `-p`: those of `Florence2`."""
    return Florence2(names, **options)


def _shapes(label: int, regions: Sequence[Region]) -> list[Any]:
    shapes = []
    for region in regions:
        polygons = [polygon for polygon in region.polygons if len(polygon) >= 6]
        shapes += [cvataa.polygon(label, polygon) for polygon in polygons]
        if not region.polygons:
            shapes.append(cvataa.rectangle(label, list(region.bounds)))
    return shapes
