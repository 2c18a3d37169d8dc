"""The stage that asks the model."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param import TypeConverters
from pyspark.sql import SparkSession

from ._stage import Stage, is_remote_session, jvm, names, param, with_accessors


@with_accessors
class Florence2Transformer(Stage):
    """Annotates pictures with a Florence-2 model; created by `pretrained`, `load` or
    `loadSavedModel`."""

    model = param(
        "model",
        "the model: a folder on any Hadoop file system, or a name",
        TypeConverters.toString,
    )
    inputCols = param(
        "inputCols",
        "column of pictures, made by ImageAssembler",
        TypeConverters.toListString,
        ["image_assembler"],
    )
    outputCol = param("outputCol", "column of answers", TypeConverters.toString, "answer")
    structCol = param(
        "structCol",
        "column for the answers as numbers (boxes, labels, scores, polygons); none if empty",
        TypeConverters.toString,
        "",
    )
    annotatedImage = param(
        "annotatedImage",
        "format of the annotated picture in the metadata: png, jpeg or none",
        TypeConverters.toString,
        "png",
    )
    annotatedImagePixels = param(
        "annotatedImagePixels",
        "maximum pixels of the annotated picture; larger ones are scaled down",
        TypeConverters.toInt,
        8000000,
    )
    maxPixels = param(
        "maxPixels",
        "maximum pixels of a picture; a larger one is an error in its row",
        TypeConverters.toInt,
        200000000,
    )
    compute = param(
        "compute",
        "precision: auto (as the model is stored), f32 or int4",
        TypeConverters.toString,
        "auto",
    )
    lora = param(
        "lora",
        "LoRA adapters merged into the model: folders or names, optionally with =WEIGHT",
        TypeConverters.toListString,
        [],
    )
    task = param("task", "task for rows without a text; <OD> if empty", TypeConverters.toString, "")
    thenTasks = param(
        "thenTasks",
        "follow-up tasks for each answer, one after the other, with the answer as their input",
        TypeConverters.toListString,
        [],
    )
    answerAs = param(
        "answerAs",
        "the task as whose answer to parse the answers to prompts in words; text if empty",
        TypeConverters.toString,
        "",
    )
    tiles = param(
        "tiles",
        "split pictures into tiles for detection and OCR: auto, 3x2 (columns and rows), or a side in pixels",
        TypeConverters.toString,
        "",
    )
    minScore = param(
        "minScore",
        "regions with a lower score are dropped; 0.5 for objects in tiles if not set",
        TypeConverters.toFloat,
        0.0,
    )
    labels = param(
        "labels",
        "only regions with one of these labels are kept, ignoring case; all if empty",
        TypeConverters.toListString,
        [],
    )
    compatibility = param(
        "compatibility",
        "format of the parsed answers: none, or spark-nlp for Spark NLP's",
        TypeConverters.toString,
    )
    batchSize = param("batchSize", "rows answered together", TypeConverters.toInt, 1)
    beamSize = param("beamSize", "number of beams; 1 is greedy search", TypeConverters.toInt, 1)
    minOutputLength = param(
        "minOutputLength",
        "minimum tokens of an answer, including the start token; enforced only if set",
        TypeConverters.toInt,
        10,
    )
    maxOutputLength = param(
        "maxOutputLength",
        "maximum tokens of an answer, including the start token",
        TypeConverters.toInt,
        200,
    )
    maxInputLength = param(
        "maxInputLength",
        "maximum tokens of a prompt; longer ones are refused",
        TypeConverters.toInt,
        1024,
    )
    doSample = param(
        "doSample",
        "sample tokens at random",
        TypeConverters.toBoolean,
        False,
    )
    temperature = param(
        "temperature",
        "flattens (> 1) or sharpens (< 1) the distribution for sampling",
        TypeConverters.toFloat,
        1.0,
    )
    topK = param(
        "topK", "sample from this many most likely tokens; 0 for all", TypeConverters.toInt, 50
    )
    topP = param(
        "topP",
        "sample from the most likely tokens with this total probability",
        TypeConverters.toFloat,
        1.0,
    )
    repetitionPenalty = param(
        "repetitionPenalty",
        "makes repeated tokens less likely (> 1)",
        TypeConverters.toFloat,
        1.0,
    )
    lengthPenalty = param(
        "lengthPenalty",
        "beams are ranked by log-probability divided by length to this power; default: the model's",
        TypeConverters.toFloat,
    )
    noRepeatNgramSize = param(
        "noRepeatNgramSize",
        "no n-gram of this size is repeated; 0 is off",
        TypeConverters.toInt,
        3,
    )
    ignoreTokenIds = param(
        "ignoreTokenIds", "tokens that are never generated", TypeConverters.toListInt, []
    )
    stopTokenIds = param("stopTokenIds", "tokens that end an answer", TypeConverters.toListInt, [2])
    randomSeed = param("randomSeed", "seed for sampling", TypeConverters.toInt)
    size = param("size", "side of the model's input, pixels", TypeConverters.toInt)
    imageMean = param(
        "imageMean", "subtracted from red, green and blue", TypeConverters.toListFloat
    )
    imageStd = param(
        "imageStd", "red, green and blue are divided by it", TypeConverters.toListFloat
    )
    resample = param(
        "resample",
        "filter for resizing, by Pillow's number; 3 is bicubic",
        TypeConverters.toInt,
    )

    doNormalize = param("doNormalize", "use imageMean and imageStd", TypeConverters.toBoolean, True)
    doResize = param(
        "doResize",
        "pictures are always resized: the model takes one size",
        TypeConverters.toBoolean,
        True,
    )
    featureExtractorType = param(
        "featureExtractorType",
        "no effect; exists for compatibility with Spark NLP",
        TypeConverters.toString,
        "FlorenceFeatureExtractor",
    )
    nReturnSequences = param(
        "nReturnSequences", "answers per question, always 1", TypeConverters.toInt, 1
    )
    lazyAnnotator = param(
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
        return self._set(inputCols=names(columns))

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
        if is_remote_session():
            if lang != "en":
                raise ValueError(f"models know en only, not {lang}")
            name = name or "florence_2_base_ft_int4"
            return Florence2Transformer().setModel(f"{remote_loc}/{name}" if remote_loc else name)
        java = jvm().uffizi.spark.Florence2Transformer
        if name is None and remote_loc is None:
            return Florence2Transformer._from_java(java.pretrained())
        name = name or "florence_2_base_ft_int4"
        return Florence2Transformer._from_java(java.pretrained(name, lang, remote_loc))

    @staticmethod
    def loadSavedModel(
        folder: str, spark_session: SparkSession, use_openvino: bool = False
    ) -> Florence2Transformer:
        """Loads the model in a Hugging Face folder or artifact."""
        if is_remote_session():
            return Florence2Transformer().setModel(folder)
        java = jvm().uffizi.spark.Florence2Transformer
        session = spark_session._jsparkSession
        return Florence2Transformer._from_java(java.loadSavedModel(folder, session, use_openvino))

    @staticmethod
    def unload() -> int:
        """Frees the idle engines, on the driver and on all executors. Returns their number."""
        if is_remote_session():
            raise NotImplementedError(
                "engines are freed by the server: see spark.uffizi.maxEngines"
            )
        return jvm().uffizi.spark.Florence2Transformer.unload()
