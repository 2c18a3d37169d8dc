"""Florence-2 as Spark ML stages, for PySpark.

>>> from uffizi.spark import ImageAssembler, Florence2Transformer
>>> images = spark.read.format("image").load("pictures").withColumn("text", lit("<OD>"))
>>> pipeline = Pipeline(stages=[ImageAssembler(), Florence2Transformer.pretrained()])
>>> pipeline.fit(images).transform(images).select("answer.result").show(truncate=False)

The stages are those of the jar, which is located automatically: see `jar`.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from ._annotate import annotate
from ._assembler import ImageAssembler
from ._finisher import Finisher
from ._florence2 import Florence2Transformer
from ._jar import follow_contexts, jar
from ._light import Annotation, AnnotationImage, LightPipeline, convert

__all__ = [
    "Annotation",
    "AnnotationImage",
    "Finisher",
    "Florence2Transformer",
    "ImageAssembler",
    "LightPipeline",
    "annotate",
    "convert",
    "jar",
    "start",
]

follow_contexts()


def start(**settings: Any) -> SparkSession:
    """Starts a Spark session with the jar; `settings` like master="local[2]", or remote="sc://host"
    for Spark Connect, whose server must have the jar (`--jars`).

    Any other session in this process works as well: importing this module adds the jar to it.
    """
    from . import show  # noqa: F401 - pages end in `.show(False)`

    builder = SparkSession.builder
    remote = str(settings.get("remote", ""))
    if not remote.startswith("sc://"):
        builder = builder.config("spark.jars", jar())
    for name, value in settings.items():
        if name == "master":
            builder = builder.master(value)
        elif name == "remote":
            builder = builder.remote(value)
        else:
            builder = builder.config(name.replace("_", "."), value)
    return builder.getOrCreate()
