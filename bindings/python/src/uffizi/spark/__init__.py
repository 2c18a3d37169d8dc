"""Florence-2 as Spark ML stages, for PySpark.

>>> from uffizi.spark import ImageAssembler, Florence2Transformer
>>> images = spark.read.format("image").load("pictures").withColumn("text", lit("<OD>"))
>>> pipeline = Pipeline(stages=[ImageAssembler(), Florence2Transformer.pretrained()])
>>> pipeline.fit(images).transform(images).select("answer.result").show(truncate=False)

The stages are those of the jar, which is located automatically: see `jar`.
"""

from __future__ import annotations

from typing import Any

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable
from pyspark.ml.wrapper import JavaTransformer
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from ._annotate import annotate
from ._jar import _active_context, check_jar, ensure_jar, follow_contexts, jar
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


def _is_remote() -> bool:
    """Whether stages are those of a Spark Connect server."""
    if not is_remote():
        return False
    import pyspark

    if pyspark.__version__.startswith("3."):
        raise NotImplementedError(
            "stages over Spark Connect need Spark 4; uffizi.spark.annotate works with Spark 3.5, too"
        )
    return True


def _jvm() -> Any:
    context = _active_context()
    if context is None:
        raise RuntimeError("no Spark session is running: make one first")
    ensure_jar(context)
    check_jar(context)
    return context._jvm


def _names(columns: Any) -> list[str]:
    """Names given as a list or one by one."""
    return list(columns[0] if len(columns) == 1 and not isinstance(columns[0], str) else columns)


_NONE = object()


def _param(name: str, doc: str, converter: Any, default: Any = _NONE) -> Any:
    param = Param(Params._dummy(), name, doc, typeConverter=converter)
    param.default = default
    return param


def _with_accessors(cls: Any) -> Any:
    """Adds setX and getX for every parameter X that the class names."""

    def add(name: str) -> None:
        def setter(self: Any, value: Any) -> Any:
            return self._set(**{name: value})

        def getter(self: Any) -> Any:
            return self.getOrDefault(getattr(self, name))

        title = name[0].upper() + name[1:]
        for method, prefix, verb in ((setter, "set", "Sets"), (getter, "get", "Gives")):
            method.__name__ = prefix + title
            method.__qualname__ = f"{cls.__name__}.{method.__name__}"
            method.__doc__ = f"{verb} `{name}`: {vars(cls)[name].doc}."
            if method.__name__ not in vars(cls):
                setattr(cls, method.__name__, method)

    params = {name: value for name, value in vars(cls).items() if isinstance(value, Param)}
    for name in params:
        add(name)
    cls._defaults = {
        name: param.default for name, param in params.items() if param.default is not _NONE
    }
    return cls


class _Reader(JavaMLReader):
    def __init__(self, cls: Any) -> None:
        _jvm()
        super().__init__(cls)


class _Stage(JavaTransformer, JavaMLReadable, JavaMLWritable):
    _defaults: dict[str, Any]

    def _make(self, name: str, values: dict[str, Any]) -> None:
        if _is_remote():
            self._java_obj = f"uffizi.spark.{name}"
            self._setDefault(**self._defaults)
        else:
            _jvm()
            self._java_obj = self._new_java_obj(f"uffizi.spark.{name}", self.uid)
            self._transfer_params_from_java()
        self._set(**values)

    def _transfer_params_from_java(self) -> None:
        """PySpark leaves arrays as Java objects."""
        from py4j.java_collections import JavaArray

        super()._transfer_params_from_java()
        for values in (self._paramMap, self._defaultParamMap):
            for param, value in values.items():
                if isinstance(value, JavaArray):
                    values[param] = list(value)

    @classmethod
    def read(cls) -> Any:
        return super().read() if _is_remote() else _Reader(cls)


@_with_accessors
class ImageAssembler(_Stage):
    """Makes the column of pictures that Florence2Transformer reads."""

    inputCol = _param(
        "inputCol",
        "column of pictures: an image struct, or the bytes of picture files",
        TypeConverters.toString,
        "image",
    )
    outputCol = _param("outputCol", "output column", TypeConverters.toString, "image_assembler")
    textCol = _param(
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


@_with_accessors
class Florence2Transformer(_Stage):
    """Annotates pictures with a Florence-2 model; created by `pretrained`, `load` or
    `loadSavedModel`."""

    model = _param(
        "model",
        "the model: a folder on any Hadoop file system, or a name",
        TypeConverters.toString,
    )
    inputCols = _param(
        "inputCols",
        "column of pictures, made by ImageAssembler",
        TypeConverters.toListString,
        ["image_assembler"],
    )
    outputCol = _param("outputCol", "column of answers", TypeConverters.toString, "answer")
    structCol = _param(
        "structCol",
        "column for the answers as numbers (boxes, labels, scores, polygons); none if empty",
        TypeConverters.toString,
        "",
    )
    annotatedImage = _param(
        "annotatedImage",
        "format of the annotated picture in the metadata: png, jpeg or none",
        TypeConverters.toString,
        "png",
    )
    annotatedImagePixels = _param(
        "annotatedImagePixels",
        "maximum pixels of the annotated picture; larger ones are scaled down",
        TypeConverters.toInt,
        8000000,
    )
    maxPixels = _param(
        "maxPixels",
        "maximum pixels of a picture; a larger one is an error in its row",
        TypeConverters.toInt,
        200000000,
    )
    compute = _param(
        "compute",
        "precision: auto (as the model is stored), f32 or int4",
        TypeConverters.toString,
        "auto",
    )
    lora = _param(
        "lora",
        "LoRA adapters merged into the model: folders or names, optionally with =WEIGHT",
        TypeConverters.toListString,
        [],
    )
    task = _param(
        "task", "task for rows without a text; <OD> if empty", TypeConverters.toString, ""
    )
    thenTasks = _param(
        "thenTasks",
        "follow-up tasks for each answer, one after the other, with the answer as their input",
        TypeConverters.toListString,
        [],
    )
    minScore = _param(
        "minScore",
        "regions whose score is known and lower are dropped",
        TypeConverters.toFloat,
        0.0,
    )
    compatibility = _param(
        "compatibility",
        "format of the parsed answers: none, or spark-nlp for Spark NLP's",
        TypeConverters.toString,
    )
    batchSize = _param("batchSize", "rows answered together", TypeConverters.toInt, 1)
    beamSize = _param("beamSize", "number of beams; 1 is greedy search", TypeConverters.toInt, 1)
    minOutputLength = _param(
        "minOutputLength",
        "minimum tokens of an answer, including the start token; enforced only if set",
        TypeConverters.toInt,
        10,
    )
    maxOutputLength = _param(
        "maxOutputLength",
        "maximum tokens of an answer, including the start token",
        TypeConverters.toInt,
        200,
    )
    maxInputLength = _param(
        "maxInputLength",
        "maximum tokens of a prompt; longer ones are refused",
        TypeConverters.toInt,
        1024,
    )
    doSample = _param(
        "doSample",
        "sample tokens at random",
        TypeConverters.toBoolean,
        False,
    )
    temperature = _param(
        "temperature",
        "flattens (> 1) or sharpens (< 1) the distribution for sampling",
        TypeConverters.toFloat,
        1.0,
    )
    topK = _param(
        "topK", "sample from this many most likely tokens; 0 for all", TypeConverters.toInt, 50
    )
    topP = _param(
        "topP",
        "sample from the most likely tokens with this total probability",
        TypeConverters.toFloat,
        1.0,
    )
    repetitionPenalty = _param(
        "repetitionPenalty",
        "makes repeated tokens less likely (> 1)",
        TypeConverters.toFloat,
        1.0,
    )
    lengthPenalty = _param(
        "lengthPenalty",
        "beams are ranked by log-probability divided by length to this power; default: the model's",
        TypeConverters.toFloat,
    )
    noRepeatNgramSize = _param(
        "noRepeatNgramSize",
        "no n-gram of this size is repeated; 0 is off",
        TypeConverters.toInt,
        3,
    )
    ignoreTokenIds = _param(
        "ignoreTokenIds", "tokens that are never generated", TypeConverters.toListInt, []
    )
    stopTokenIds = _param(
        "stopTokenIds", "tokens that end an answer", TypeConverters.toListInt, [2]
    )
    randomSeed = _param("randomSeed", "seed for sampling", TypeConverters.toInt)
    size = _param("size", "side of the model's input, pixels", TypeConverters.toInt)
    imageMean = _param(
        "imageMean", "subtracted from red, green and blue", TypeConverters.toListFloat
    )
    imageStd = _param(
        "imageStd", "red, green and blue are divided by it", TypeConverters.toListFloat
    )
    resample = _param(
        "resample",
        "filter for resizing, by Pillow's number; 3 is bicubic",
        TypeConverters.toInt,
    )

    doNormalize = _param(
        "doNormalize", "use imageMean and imageStd", TypeConverters.toBoolean, True
    )
    doResize = _param(
        "doResize",
        "pictures are always resized: the model takes one size",
        TypeConverters.toBoolean,
        True,
    )
    featureExtractorType = _param(
        "featureExtractorType",
        "no effect; exists for compatibility with Spark NLP",
        TypeConverters.toString,
        "FlorenceFeatureExtractor",
    )
    nReturnSequences = _param(
        "nReturnSequences", "answers per question, always 1", TypeConverters.toInt, 1
    )
    lazyAnnotator = _param(
        "lazyAnnotator", "skip the stage in a LightPipeline", TypeConverters.toBoolean, False
    )

    name = "Florence2Transformer"
    inputAnnotatorTypes = ["image"]
    outputAnnotatorType = "document"

    def __init__(self) -> None:
        super().__init__()
        self._make("Florence2Transformer", {})

    def getRandomSeed(self) -> int | None:
        """Returns `randomSeed`, or None if it is not set."""
        return self.getOrDefault(self.randomSeed) if self.isDefined(self.randomSeed) else None

    def getEngine(self) -> str:
        """The name of the engine."""
        return "uffizi"

    def setInputCols(self, *columns: Any) -> Florence2Transformer:
        """Sets `inputCols`, given as a list or one by one."""
        return self._set(inputCols=_names(columns))

    @staticmethod
    def pretrained(
        name: str | None = None, lang: str = "en", remote_loc: str | None = None
    ) -> Florence2Transformer:
        """The model of that name: "uffizi-tiny", which is in the jar, or any other that is found in
        `remote_loc` or the setting spark.uffizi.models (folders of models, on any Hadoop file
        system) or by the command line. Without a name it is what the environment variable
        UFFIZI_MODEL says, else florence_2_base_ft_int4.

        Over Spark Connect, the server looks for it when pictures are annotated.
        """
        if _is_remote():
            if lang != "en":
                raise ValueError(f"models know en only, not {lang}")
            name = name or "florence_2_base_ft_int4"
            return Florence2Transformer().setModel(f"{remote_loc}/{name}" if remote_loc else name)
        java = _jvm().uffizi.spark.Florence2Transformer
        if name is None and remote_loc is None:
            return Florence2Transformer._from_java(java.pretrained())
        name = name or "florence_2_base_ft_int4"
        return Florence2Transformer._from_java(java.pretrained(name, lang, remote_loc))

    @staticmethod
    def loadSavedModel(
        folder: str, spark_session: SparkSession, use_openvino: bool = False
    ) -> Florence2Transformer:
        """Loads the model in a Hugging Face folder or artifact."""
        if _is_remote():
            return Florence2Transformer().setModel(folder)
        java = _jvm().uffizi.spark.Florence2Transformer
        session = spark_session._jsparkSession
        return Florence2Transformer._from_java(java.loadSavedModel(folder, session, use_openvino))

    @staticmethod
    def unload() -> int:
        """Frees the idle engines, on the driver and on all executors. Returns their number."""
        if _is_remote():
            raise NotImplementedError(
                "engines are freed by the server: see spark.uffizi.maxEngines"
            )
        return _jvm().uffizi.spark.Florence2Transformer.unload()


@_with_accessors
class Finisher(_Stage):
    """Converts annotations to plain columns: the results as an array of strings, or as one
    string."""

    inputCols = _param("inputCols", "columns of annotations", TypeConverters.toListString)
    outputCols = _param(
        "outputCols",
        "columns of results; by default each name prefixed with finished_",
        TypeConverters.toListString,
    )
    valueSplitSymbol = _param(
        "valueSplitSymbol",
        "separator between the parts of an annotation with its metadata",
        TypeConverters.toString,
        "#",
    )
    annotationSplitSymbol = _param(
        "annotationSplitSymbol",
        "separator between annotations in a string",
        TypeConverters.toString,
        "@",
    )
    cleanAnnotations = _param(
        "cleanAnnotations", "drop the columns of annotations", TypeConverters.toBoolean, True
    )
    includeMetadata = _param(
        "includeMetadata",
        "include metadata: in a column of its own with outputAsArray, else within the string",
        TypeConverters.toBoolean,
        False,
    )
    outputAsArray = _param(
        "outputAsArray",
        "results as an array of strings instead of one string",
        TypeConverters.toBoolean,
        True,
    )
    parseEmbeddingsVectors = _param(
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
        return self._set(inputCols=_names(columns))

    def setOutputCols(self, *columns: Any) -> Finisher:
        """Sets `outputCols`, given as a list or one by one."""
        return self._set(outputCols=_names(columns))

    def getOutputCols(self) -> list[str]:
        """Gives `outputCols`."""
        if self.isSet(self.outputCols):
            return self.getOrDefault(self.outputCols)
        return [f"finished_{name}" for name in self.getInputCols()]
