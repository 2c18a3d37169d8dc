"""The columns of answers as Python values, and their types."""

from __future__ import annotations

from typing import Any

DOCUMENT = (
    "array<struct<annotatorType:string,begin:int,end:int,result:string,"
    "metadata:map<string,string>,embeddings:array<float>>>"
)
FOUND = (
    "array<struct<task:string,text:string,labels:array<string>,scores:array<float>,"
    "boxes:array<array<float>>,quads:array<array<float>>,polygons:array<array<array<float>>>,"
    "error:string>>"
)


def spark_type(text: str) -> Any:
    """A type of Spark's from its short form, without a session."""
    from pyspark.sql.types import (
        ArrayType,
        FloatType,
        IntegerType,
        MapType,
        StringType,
        StructField,
        StructType,
    )

    simple = {"string": StringType(), "int": IntegerType(), "float": FloatType()}

    def parse(at: int) -> tuple[Any, int]:
        for name, kind in simple.items():
            if text.startswith(name, at):
                return kind, at + len(name)
        if text.startswith("array<", at):
            element, at = parse(at + 6)
            return ArrayType(element), at + 1
        if text.startswith("map<", at):
            key, at = parse(at + 4)
            value, at = parse(at + 1)
            return MapType(key, value), at + 1
        assert text.startswith("struct<", at), text[at:]
        at += 7
        fields = []
        while True:
            colon = text.index(":", at)
            kind, end = parse(colon + 1)
            fields.append(StructField(text[at:colon], kind))
            at = end + 1
            if text[end] == ">":
                return StructType(fields), at

    return parse(0)[0]


def shortest(value: Any) -> Any:
    """Formats numbers with the fewest digits that identify a 32-bit float, like the stage."""
    if isinstance(value, dict):
        return {key: shortest(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shortest(item) for item in value]
    if isinstance(value, float):
        import numpy

        return float(str(numpy.float32(value)))
    return value


def annotation(text: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "annotatorType": "document",
        "begin": 0,
        "end": len(text.encode("utf-16-le")) // 2 - 1 if text is not None else -1,
        "result": text,
        "metadata": list(metadata.items()),
        "embeddings": [],
    }


def failure(task: str | None, code: str, reason: str) -> tuple[Any, Any]:
    metadata = {"task": task, "error": reason, "error_code": code}
    return annotation(None, metadata), {"task": task, "error": reason}


def describe(result: Any) -> str:
    if result.shape == "text":
        return str(result.caption)
    parts = []
    for region in result.regions:
        shapes = [region.box] if region.box else []
        shapes += [region.quad] if region.quad else []
        shapes += list(region.polygons)
        words = [region.label] + ["[" + ", ".join(f"{v:.1f}" for v in s) + "]" for s in shapes]
        parts.append(" ".join(word for word in words if word))
    return "; ".join(parts)


def found(task: str, result: Any) -> dict[str, Any]:
    return {
        "task": result.task or task,
        "text": result.caption if result.shape == "text" else None,
        "labels": [region.label for region in result.regions],
        "scores": [region.score for region in result.regions],
        "boxes": [list(region.box) if region.box else None for region in result.regions],
        "quads": [list(region.quad) if region.quad else None for region in result.regions],
        "polygons": [[list(p) for p in region.polygons] for region in result.regions],
        "error": None,
    }
