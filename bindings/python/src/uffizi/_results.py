"""Results of questions about pictures."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from . import _native
from ._errors import ArgumentError
from ._pictures import Picture, to_pixels

if TYPE_CHECKING:
    import numpy.typing as npt
    import PIL.Image
    import supervision

Shape = Literal["text", "boxes", "quads", "polygons", "open_vocabulary"]


class Box(NamedTuple):
    """Corners in pixels of the picture."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclasses.dataclass
class Region:
    """A region that the model found. `quad` is set in OCR answers, `polygons` in segmentations,
    `box` in the others."""

    label: str
    score: float | None
    """How likely the region is right, 0 to 1: the label, and a box whose IoU with the true one is at least 0.5.
    docs/model.md has the formula. None if the text alone is known."""
    box: Box | None = None
    quad: tuple[float, ...] | None = None  #: x1, y1, ... x4, y4, clockwise from the text's top left
    polygons: list[list[float]] = dataclasses.field(default_factory=list)  #: x, y, x, y, ... each

    @property
    def bounds(self) -> Box:
        """The enclosing box of the region. Its corners are ordered, even if the model's are not."""
        numbers = [n for polygon in self.polygons for n in polygon] or self.quad or self.box
        if not numbers:
            return Box(0.0, 0.0, 0.0, 0.0)
        xs, ys = numbers[0::2], numbers[1::2]
        return Box(min(xs), min(ys), max(xs), max(ys))


@dataclasses.dataclass
class Timings:
    """Seconds of each stage. Time that several tasks on one picture share is counted in the
    first."""

    decode: float = 0.0  #: picture file to pixels
    preprocess: float = 0.0  #: resample and normalize
    vision_encoder: float = 0.0
    text_encoder: float = 0.0
    decoder: float = 0.0  #: token generation
    parse: float = 0.0  #: answer text to regions
    total: float = 0.0


@dataclasses.dataclass
class Result:
    """The answer to one task on one picture."""

    task: str  #: "<OD>", or "" for a prompt of your own
    prompt: str  #: the sentence given to the model
    text: str  #: the raw answer, special tokens included
    token_ids: list[int]  #: without the decoder's start token
    shape: Shape  #: the form of the answer
    caption: str  #: the answer, if it is text
    regions: list[Region]  #: the answer, if it is anything else
    truncated: bool  #: the answer reached the length limit
    width: int  #: of the picture, pixels
    height: int
    timings: Timings = dataclasses.field(default_factory=Timings, compare=False)
    #: of each id, the logarithm of the model's own probability, before the search's rules
    token_logprobs: list[float] = dataclasses.field(default_factory=list, repr=False)
    pixels: npt.NDArray[np.uint8] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )

    @property
    def answer(self) -> Any:
        """The answer in the format of Hugging Face's processor: a string, or a dict of lists."""
        if self.shape == "text":
            return self.caption
        if self.shape == "quads":
            return {"quad_boxes": [list(r.quad or ()) for r in self.regions]} | _names(self.regions)
        if self.shape == "polygons":
            return {"polygons": [r.polygons for r in self.regions]} | _names(self.regions)
        if self.shape == "boxes":
            return {"bboxes": [list(r.box or ()) for r in self.regions]} | _names(self.regions)
        boxes = [r for r in self.regions if not r.polygons]
        outlined = [r for r in self.regions if r.polygons]
        return (
            {"bboxes": [list(r.box or ()) for r in boxes]}
            | _names(boxes, "bboxes_")
            | {"polygons": [r.polygons for r in outlined]}
            | _names(outlined, "polygons_")
        )

    def keep(self, min_score: float = 0.0, labels: Sequence[str] | None = None) -> Result:
        """Drops regions with a lower or unknown score and those with other labels than `labels`,
        ignoring case. Returns itself."""
        wanted = None if labels is None else {label.lower() for label in labels}
        self.regions = [
            region
            for region in self.regions
            if (min_score <= 0 or (region.score is not None and region.score >= min_score))
            and (wanted is None or region.label.lower() in wanted)
        ]
        return self

    def to_dict(self) -> dict[str, Any]:
        """{task: answer}, in the format of `processor.post_process_generation` in transformers,
        with additional `scores`."""
        return {self.task or self.prompt: self.answer}

    def masks(self) -> npt.NDArray[np.bool_]:
        """[regions, height, width]: the pixels covered by each region; a box or quad is filled."""
        import PIL.Image
        import PIL.ImageDraw

        masks = np.zeros((len(self.regions), self.height, self.width), bool)
        for mask, region in zip(masks, self.regions):
            image = PIL.Image.new("1", (self.width, self.height))
            draw = PIL.ImageDraw.Draw(image)
            outlines = [list(region.quad)] if region.quad else region.polygons
            for outline in outlines:
                if len(outline) >= 6:  # three corners
                    draw.polygon(outline, fill=1)
            if region.box is not None:
                draw.rectangle(region.bounds, fill=1)
            mask[:] = np.asarray(image)
        return masks

    def draw(self, picture: Picture | None = None) -> PIL.Image.Image:
        """The picture with the answer drawn on it. `picture` is needed only if the result has none
        (for example from a pickled `EncodedImage`)."""
        import PIL.Image

        pixels = self.pixels if picture is None else to_pixels(picture)
        if pixels is None:
            raise ArgumentError("this result came without its picture: give it to draw()")
        regions = [
            _native.Region(r.label, r.score, r.box or (0, 0, 0, 0), list(r.quad or ()), r.polygons)
            for r in self.regions
        ]
        answer = _native.Answer(self.shape, self.caption, regions)
        return PIL.Image.fromarray(_native.draw_answer(pixels, answer))

    def to_supervision(self, classes: Sequence[str] | None = None) -> supervision.Detections:
        """Detections for the package `supervision`: boxes, labels (`class_name`), scores where there
        are any, masks of segmentations and corners of OCR's quads.

        `class_id` is the index of the label in `classes`, which makes ids consistent across
        pictures; regions with other labels are dropped. Without `classes` it is the index among the
        labels of this answer."""
        try:
            import supervision  # noqa: F401
        except ImportError as error:
            raise ImportError("to_supervision() needs `pip install uffizi[supervision]`") from error
        if classes is not None:
            return dataclasses.replace(self).keep(labels=classes)._detections(list(classes))
        return self._detections(sorted({r.label for r in self.regions}))

    def _detections(self, names: list[str]) -> supervision.Detections:
        import supervision

        if not self.regions:
            return supervision.Detections.empty()
        labels = [r.label for r in self.regions]
        ids = {name.lower(): i for i, name in enumerate(names)} | {
            n: i for i, n in enumerate(names)
        }
        data: dict[str, Any] = {"class_name": np.array(labels)}
        if self.shape == "quads":
            corners = np.array([r.quad for r in self.regions], np.float32)
            data["xyxyxyxy"] = corners.reshape(-1, 4, 2)
        scores = [r.score for r in self.regions]
        return supervision.Detections(
            xyxy=np.array([r.bounds for r in self.regions], np.float32),
            mask=self.masks() if any(r.polygons for r in self.regions) else None,
            confidence=None if None in scores else np.array(scores, np.float32),
            class_id=np.array(
                [ids[label] if label in ids else ids[label.lower()] for label in labels]
            ),
            data=data,
        )

    def _repr_html_(self) -> str:
        """Notebook display: the picture with the answer drawn, and the answer as a table."""
        name = html.escape(self.task or self.prompt)
        if self.shape == "text":
            body = f"<p>{html.escape(self.caption)}</p>"
        elif not self.regions:
            body = "<p>nothing found</p>"
        else:
            rows = "".join(
                f"<tr><td>{html.escape(r.label)}</td><td>{'' if r.score is None else f'{r.score:.2f}'}</td>"
                f"<td>{', '.join(f'{n:.0f}' for n in r.bounds)}</td></tr>"
                for r in self.regions
            )
            body = (
                f"<table><tr><th>label</th><th>score</th><th>x1, y1, x2, y2</th></tr>{rows}</table>"
            )
        return f"<figure>{self._thumbnail()}<figcaption><b>{name}</b>{body}</figcaption></figure>"

    def _thumbnail(self, width: int = 640) -> str:
        if self.pixels is None:
            return ""
        image = self.draw()
        image.thumbnail((width, width))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=85)
        return f'<img src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}">'


def _names(regions: list[Region], prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}labels": [r.label for r in regions],
        f"{prefix}scores": [r.score for r in regions],
    }


def _make_region(region: _native.Region, shape: str) -> Region:
    if region.polygons or shape == "polygons":
        return Region(region.label, region.score, polygons=region.polygons)
    if shape == "quads":
        return Region(region.label, region.score, quad=tuple(region.quad))
    return Region(region.label, region.score, box=Box(*region.box))


def make_answer(answer: _native.Answer) -> tuple[Any, str, list[Region]]:
    """Shape, text and regions of an answer."""
    return answer.shape, answer.text, [_make_region(r, answer.shape) for r in answer.regions]


def make_result(result: _native.Result, pixels: npt.NDArray[np.uint8] | None) -> Result:
    """Makes a `Result` from a result of the engine."""
    shape, caption, regions = make_answer(result.answer)
    seconds = {f.name: getattr(result.timings, f.name) for f in dataclasses.fields(Timings)}
    return Result(
        task=result.task,
        prompt=result.prompt,
        text=result.text,
        token_ids=result.token_ids,
        token_logprobs=result.token_logprobs,
        shape=shape,
        caption=caption,
        regions=regions,
        truncated=result.truncated,
        width=result.width,
        height=result.height,
        timings=Timings(**seconds),
        pixels=pixels,
    )
