"""Annotations as plain columns."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param import TypeConverters

from ._stage import Stage, names, param, with_accessors


@with_accessors
class Finisher(Stage):
    """Converts annotations to plain columns: the results as an array of strings, or as one
    string."""

    inputCols = param("inputCols", "columns of annotations", TypeConverters.toListString)
    outputCols = param(
        "outputCols",
        "columns of results; by default each name prefixed with finished_",
        TypeConverters.toListString,
    )
    valueSplitSymbol = param(
        "valueSplitSymbol",
        "separator between the parts of an annotation with its metadata",
        TypeConverters.toString,
        "#",
    )
    annotationSplitSymbol = param(
        "annotationSplitSymbol",
        "separator between annotations in a string",
        TypeConverters.toString,
        "@",
    )
    cleanAnnotations = param(
        "cleanAnnotations", "drop the columns of annotations", TypeConverters.toBoolean, True
    )
    includeMetadata = param(
        "includeMetadata",
        "include metadata: in a column of its own with outputAsArray, else within the string",
        TypeConverters.toBoolean,
        False,
    )
    outputAsArray = param(
        "outputAsArray",
        "results as an array of strings instead of one string",
        TypeConverters.toBoolean,
        True,
    )
    parseEmbeddingsVectors = param(
        "parseEmbeddingsVectors",
        "no effect: there are no embeddings",
        TypeConverters.toBoolean,
        False,
    )
    name = "Finisher"

    def __init__(self) -> None:
        super().__init__()
        self._make("Finisher", {})

    def setInputCols(self, *columns: Any) -> Finisher:
        """Sets `inputCols`, given as a list or one by one."""
        return self._set(inputCols=names(columns))

    def setOutputCols(self, *columns: Any) -> Finisher:
        """Sets `outputCols`, given as a list or one by one."""
        return self._set(outputCols=names(columns))

    def getOutputCols(self) -> list[str]:
        """Gives `outputCols`."""
        if self.isSet(self.outputCols):
            return self.getOrDefault(self.outputCols)
        return [f"finished_{name}" for name in self.getInputCols()]
