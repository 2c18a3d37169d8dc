"""Pictures, as the other stages take them."""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml.param import TypeConverters
from pyspark.sql import SparkSession

from ._stage import Stage, param, with_accessors


@with_accessors
class ImageAssembler(Stage):
    """Makes the column of pictures that Florence2Transformer reads."""

    inputCol = param(
        "inputCol",
        "column of pictures: an image struct, or the bytes of picture files",
        TypeConverters.toString,
        "image",
    )
    outputCol = param("outputCol", "output column", TypeConverters.toString, "image_assembler")
    textCol = param(
        "textCol",
        "column of prompts: a string or an array of strings; it may be missing",
        TypeConverters.toString,
        "text",
    )

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        textCol: str | None = None,
    ) -> None:
        super().__init__()
        self._make("ImageAssembler", self._input_kwargs)

    name = "ImageAssembler"
    outputAnnotatorType = "image"

    @keyword_only
    def setParams(
        self,
        *,
        inputCol: str | None = None,
        outputCol: str | None = None,
        textCol: str | None = None,
    ) -> ImageAssembler:
        """Sets several parameters."""
        return self._set(**self._input_kwargs)

    @staticmethod
    def loadImagesAsBytes(spark: SparkSession, path: str) -> Any:
        """Picture files as image structs whose `data` are the files' bytes; height, width, nChannels and
        mode are -1, since no picture is decoded for them."""
        from pyspark.sql.functions import col, lit, struct

        endings = "jpeg,jpg,png,gif,bmp,webp,tif,tiff,avif,heic,jxl,jp2"
        files = (
            spark.read.format("binaryFile")
            .option("recursiveFileLookup", "true")
            .option("pathGlobFilter", f"*.{{{endings},{endings.upper()}}}")
            .load(path)
        )
        sizes = [lit(-1).alias(name) for name in ("height", "width", "nChannels", "mode")]
        image = struct(col("path").alias("origin"), *sizes, col("content").alias("data"))
        return files.select(image.alias("image"), "path", "modificationTime", "length")
