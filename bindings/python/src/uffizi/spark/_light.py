"""Pipelines for a few pictures at a time, and annotations as objects: Spark NLP's helpers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Annotation:
    """An element of Florence2Transformer's column."""

    def __init__(
        self,
        annotatorType: str,
        begin: int,
        end: int,
        result: str | None,
        metadata: dict[str, str],
        embeddings: Sequence[float] = (),
    ) -> None:
        self.annotatorType = annotatorType
        self.begin = begin
        self.end = end
        self.result = result
        self.metadata = metadata
        self.embeddings = list(embeddings)

    def copy(self, result: str) -> Annotation:
        """The same with another result."""
        return Annotation(
            self.annotatorType, self.begin, self.end, result, self.metadata, self.embeddings
        )

    def __repr__(self) -> str:
        return (
            f"Annotation({self.annotatorType}, {self.begin}, {self.end}, {self.result}, "
            f"{self.metadata}, {self.embeddings})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Annotation) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def dataType() -> Any:
        """The StructType of an element."""
        return Annotation.arrayType().elementType

    @staticmethod
    def arrayType() -> Any:
        """The type of a column of annotations."""
        from ._answers import DOCUMENT, spark_type

        return spark_type(DOCUMENT)

    @staticmethod
    def fromRow(row: Any) -> Annotation:
        """Of an element of a column."""
        return Annotation(
            row.annotatorType, row.begin, row.end, row.result, row.metadata, row.embeddings
        )

    @staticmethod
    def toRow(annotation: Annotation) -> Any:
        """The element of a column."""
        from pyspark.sql import Row

        return Row(**vars(annotation))


class AnnotationImage:
    """An element of ImageAssembler's column. `result` is pixels, or the bytes of a file; then
    height and width are -1."""

    def __init__(
        self,
        annotatorType: str,
        origin: str,
        height: int,
        width: int,
        nChannels: int,
        mode: int,
        result: bytes,
        metadata: dict[str, str],
        text: str = "",
    ) -> None:
        self.annotatorType = annotatorType
        self.origin = origin
        self.height = height
        self.width = width
        self.nChannels = nChannels
        self.mode = mode
        self.result = result
        self.metadata = metadata
        self.text = text

    def copy(self, result: bytes) -> AnnotationImage:
        """The same with another result."""
        return AnnotationImage(**{**vars(self), "result": result})

    def __repr__(self) -> str:
        size = f"{self.width} x {self.height}, " if self.width > 0 else ""
        return f"AnnotationImage({self.origin}, {size}{len(self.result)} bytes)"


def _from_java(annotation: Any) -> Any:
    metadata = {}
    entries = annotation.metadata().iterator()
    while entries.hasNext():
        entry = entries.next()
        metadata[entry._1()] = entry._2()
    if annotation.annotatorType() == "image":
        return AnnotationImage(
            "image",
            annotation.origin(),
            annotation.height(),
            annotation.width(),
            annotation.nChannels(),
            annotation.mode(),
            bytes(annotation.result()),
            metadata,
            annotation.text(),
        )
    return Annotation(
        annotation.annotatorType(),
        annotation.begin(),
        annotation.end(),
        annotation.result(),
        metadata,
        list(annotation.embeddings()),
    )


class LightPipeline:
    """A fitted pipeline for a few pictures at a time, without Spark's jobs.

    >>> LightPipeline(model).annotate("cat.jpg", "<CAPTION>")["answer"]
    ['a cat on a chair']
    """

    def __init__(self, pipelineModel: Any, parse_embeddings: bool = False) -> None:
        from ._stage import is_remote_session, jvm

        if is_remote_session():
            raise NotImplementedError(
                "a LightPipeline runs in the driver: there is none with Spark Connect"
            )
        self.pipeline_model = pipelineModel
        self._java = jvm().uffizi.spark.LightPipeline(pipelineModel._to_java())

    def setIgnoreUnsupported(self, value: bool) -> None:
        """Sets whether stages that are not about pictures are skipped instead of refused."""
        self._java.setIgnoreUnsupported(value)

    def getIgnoreUnsupported(self) -> bool:
        return bool(self._java.getIgnoreUnsupported())

    def transform(self, dataframe: Any) -> Any:
        """As the pipeline's own."""
        return self.pipeline_model.transform(dataframe)

    def fullAnnotateImage(
        self, path_to_image: str | list[str], text: str | list[str] | None = None
    ) -> list[dict[str, list[Any]]]:
        """Annotates picture files: returns a dict for each, with a list of annotations per column.
        `text` is the prompt for each file."""
        if not isinstance(path_to_image, (str, list)):
            raise TypeError("path_to_image is a path or a list of paths")
        if text is None:
            text = "" if isinstance(path_to_image, str) else []
        if type(path_to_image) is not type(text):
            raise ValueError("path_to_image and text are both strings, or both lists")
        paths = [path_to_image] if isinstance(path_to_image, str) else path_to_image
        texts = [text] if isinstance(text, str) else text
        found = self._java.fullAnnotateImageJava(list(paths), list(texts))
        return [
            {name: [_from_java(annotation) for annotation in row[name]] for name in row}
            for row in found
        ]

    def fullAnnotate(
        self, target: str | list[str], optional_target: str | list[str] | None = None
    ) -> list[dict[str, list[Any]]]:
        """As `fullAnnotateImage`."""
        return self.fullAnnotateImage(target, optional_target or None)

    def annotate(
        self, target: str | list[str], optional_target: str | list[str] | None = None
    ) -> Any:
        """Only the results: a dict for one file, a list of dicts for several; "" for pictures."""
        rows = [
            {
                name: [a.result if isinstance(a, Annotation) else "" for a in annotations]
                for name, annotations in row.items()
            }
            for row in self.fullAnnotate(target, optional_target)
        ]
        return rows[0] if isinstance(target, str) else rows


def convert(path: str, out: str) -> None:
    """Converts a pipeline (or a Florence2Transformer) that Spark NLP saved: writes it with these
    stages instead of Spark NLP's. Both paths are on any Hadoop file system; `out` must not
    exist."""
    from ._stage import is_remote_session, jvm

    if is_remote_session():
        raise NotImplementedError("convert() runs in the driver: there is none with Spark Connect")
    jvm().uffizi.spark.SparkNlp.convert(path, out)
