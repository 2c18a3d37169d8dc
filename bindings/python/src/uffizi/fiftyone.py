"""A model for FiftyOne.

>>> dataset.apply_model(uffizi.fiftyone.Model("<OD>"), label_field="florence", batch_size=8)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

try:
    import fiftyone  # type: ignore[import-untyped, import-not-found, unused-ignore]
    import fiftyone.core.models  # type: ignore[import-untyped, import-not-found, unused-ignore]
except ImportError as error:
    raise ImportError("uffizi.fiftyone needs `pip install fiftyone`") from error

from ._model import Florence2, as_model
from ._results import Region, Result

if TYPE_CHECKING:
    import os

    from ._question import Question, Task, Unpack


class Model(fiftyone.core.models.SamplesMixin, fiftyone.core.models.Model):  # type: ignore[misc, unused-ignore]
    """Asks one question about every picture.

    Text becomes a `Classification`, boxes `Detections`, quads and polygons `Polylines`, open
    vocabulary `Detections`; labels have the regions' scores as `confidence`. `text_field` names a
    field of the samples that holds each one's input, such as a caption to ground. The rest is as for
    `uffizi.Florence2.__call__`.
    """

    def __init__(
        self,
        task: Task,
        *,
        model: Florence2 | str | os.PathLike[str] | None = None,
        text_field: str | None = None,
        tiles: str = "",
        **question: Unpack[Question],
    ) -> None:
        super().__init__()
        self.florence = as_model(model)
        self.task = task
        self.tiles = tiles
        self.question = question
        self.config = None  # FiftyOne asks for one
        self._text_field = text_field

    @property
    def needs_fields(self) -> dict[str, str]:
        """The fields of a sample that are read: {"text": ...}. `apply_model(..., text="field")` sets it too."""
        own = {} if self._text_field is None else {"text": self._text_field}
        return {**own, **self._fields}

    @needs_fields.setter
    def needs_fields(self, fields: dict[str, str]) -> None:
        self._fields = fields

    @property
    def media_type(self) -> str:
        """Pictures."""
        return "image"

    @property
    def ragged_batches(self) -> bool:
        """False: pictures of a batch may differ in size."""
        return False

    @property
    def transforms(self) -> None:
        """None: the model takes pictures as they are."""
        return None

    @property
    def preprocess(self) -> bool:
        """False: no preprocessing is needed."""
        return False

    @preprocess.setter
    def preprocess(self, value: bool) -> None:
        pass

    def predict(self, arg: Any, sample: Any = None) -> Any:
        """The label of a picture: an array [height, width, 3] u8, or anything `uffizi` reads."""
        return self.predict_all([arg], None if sample is None else [sample])[0]

    def predict_all(self, args: Any, samples: Any = None) -> list[Any]:
        """The labels of several pictures."""
        pictures = [self.florence.encode(picture, tiles=self.tiles) for picture in args]
        field = self.needs_fields.get("text")
        if field is None:
            results = self.florence(
                pictures, self.task, batch_size=max(1, len(pictures)), **self.question
            )
        else:
            results = [
                picture(self.task, **{**self.question, "text": sample[field]})
                for picture, sample in zip(pictures, samples)
            ]
        return [make_label(result) for result in results]


def make_label(result: Result) -> Any:
    """The answer as FiftyOne's label."""
    if result.shape == "text":
        return fiftyone.Classification(label=result.caption)
    if result.shape in ("quads", "polygons"):
        return fiftyone.Polylines(polylines=[_polyline(r, result) for r in result.regions])
    masks = result.masks() if any(region.polygons for region in result.regions) else None
    return fiftyone.Detections(
        detections=[
            _detection(region, result, None if masks is None else masks[i])
            for i, region in enumerate(result.regions)
        ]
    )


def _detection(region: Region, result: Result, mask: Any) -> Any:
    x1, y1, x2, y2 = region.bounds
    width, height = result.width, result.height
    detection = fiftyone.Detection(
        label=region.label,
        bounding_box=[x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height],
        confidence=region.score,
    )
    if mask is not None and region.polygons:
        detection.mask = mask[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1]
    return detection


def _polyline(region: Region, result: Result) -> Any:
    outlines: Sequence[Sequence[float]] = [region.quad] if region.quad else region.polygons
    points = [
        [(x / result.width, y / result.height) for x, y in zip(outline[0::2], outline[1::2])]
        for outline in outlines
    ]
    return fiftyone.Polyline(
        label=region.label,
        points=points,
        closed=True,
        filled=not region.quad,
        confidence=region.score,
    )
