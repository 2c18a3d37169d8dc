package uffizi.spark

import org.apache.spark.ml.param._

/** The parameters of Spark NLP's stage with the same defaults, and a few additional ones. */
trait Florence2Params extends Params {
  final val model: Param[String] = new Param[String](this, "model",
    "the model: a folder on any Hadoop file system, or a name")
  final val inputCols: StringArrayParam =
    new StringArrayParam(this, "inputCols", "column of pictures, made by ImageAssembler",
      (cols: Array[String]) => cols.length == 1)
  final val outputCol: Param[String] = new Param[String](this, "outputCol", "column of answers")
  final val structCol: Param[String] = new Param[String](this, "structCol",
    "column for the answers as numbers (boxes, labels, scores, polygons); none if empty")
  final val annotatedImage: Param[String] = new Param[String](this, "annotatedImage",
    "format of the annotated picture in the metadata: png, jpeg or none",
    ParamValidators.inArray(Array("png", "jpeg", "none")))

  final val annotatedImagePixels: LongParam = new LongParam(this, "annotatedImagePixels",
    "maximum pixels of the annotated picture; larger ones are scaled down", ParamValidators.gt(0L))
  final val maxPixels: LongParam = new LongParam(this, "maxPixels",
    "maximum pixels of a picture; a larger one is an error in its row", ParamValidators.gt(0L))

  final val compute: Param[String] = new Param[String](this, "compute",
    "precision: auto (as the model is stored), f32 or int4",
    ParamValidators.inArray(Array("auto", "f32", "int4")))

  final val lora: StringArrayParam = new StringArrayParam(this, "lora",
    "LoRA adapters merged into the model: folders or names, optionally with =WEIGHT")
  final val task: Param[String] =
    new Param[String](this, "task", "task for rows without a text; <OD> if empty")
  final val thenTasks: StringArrayParam = new StringArrayParam(this, "thenTasks",
    "follow-up tasks for each answer, one after the other, with the answer as their input",
    (tasks: Array[String]) => tasks.forall(Cascade.takesInput))
  final val answerAs: Param[String] = new Param[String](this, "answerAs",
    "the task as whose answer to parse the answers to prompts in words; text if empty")
  final val tiles: Param[String] = new Param[String](this, "tiles",
    "split pictures into tiles for detection and OCR: auto, 3x2 (columns and rows), or a side in pixels",
    (value: String) => value.matches("|auto|[1-9][0-9]*(x[1-9][0-9]*)?"))
  final val minScore: DoubleParam = new DoubleParam(this, "minScore",
    "regions with a lower score are dropped; 0.5 for objects in tiles if not set",
    ParamValidators.inRange(0, 1))
  final val labels: StringArrayParam = new StringArrayParam(this, "labels",
    "only regions with one of these labels are kept, ignoring case; all if empty")
  final val compatibility: Param[String] = new Param[String](this, "compatibility",
    "format of the parsed answers: none, or spark-nlp for Spark NLP's",
    ParamValidators.inArray(Array("none", "spark-nlp")))

  final val batchSize: IntParam =
    new IntParam(this, "batchSize", "rows answered together", ParamValidators.gt(0))
  final val beamSize: IntParam =
    new IntParam(this, "beamSize", "number of beams; 1 is greedy search", ParamValidators.gt(0))
  final val minOutputLength: IntParam = new IntParam(this, "minOutputLength",
    "minimum tokens of an answer, including the start token; enforced only if set",
    ParamValidators.gtEq(0))
  final val maxOutputLength: IntParam = new IntParam(this, "maxOutputLength",
    "maximum tokens of an answer, including the start token", ParamValidators.gt(1))
  final val maxInputLength: IntParam = new IntParam(this, "maxInputLength",
    "maximum tokens of a prompt; longer ones are refused", ParamValidators.gt(0))
  final val doSample: BooleanParam =
    new BooleanParam(this, "doSample", "sample tokens at random")
  final val temperature: DoubleParam = new DoubleParam(this, "temperature",
    "flattens (> 1) or sharpens (< 1) the distribution for sampling", ParamValidators.gt(0))
  final val topK: IntParam = new IntParam(this, "topK",
    "sample from this many most likely tokens; 0 for all", ParamValidators.gtEq(0))
  final val topP: DoubleParam = new DoubleParam(this, "topP",
    "sample from the most likely tokens with this total probability",
    ParamValidators.inRange(0, 1, lowerInclusive = false, upperInclusive = true))
  final val repetitionPenalty: DoubleParam = new DoubleParam(this, "repetitionPenalty",
    "makes repeated tokens less likely (> 1)", ParamValidators.gt(0))
  final val lengthPenalty: DoubleParam = new DoubleParam(this, "lengthPenalty",
    "beams are ranked by log-probability divided by length to this power; default: the model's")
  final val noRepeatNgramSize: IntParam = new IntParam(this, "noRepeatNgramSize",
    "no n-gram of this size is repeated; 0 is off", ParamValidators.gtEq(0))
  final val ignoreTokenIds: IntArrayParam =
    new IntArrayParam(this, "ignoreTokenIds", "tokens that are never generated")
  final val stopTokenIds: IntArrayParam = new IntArrayParam(this, "stopTokenIds",
    "tokens that end an answer", (ids: Array[Int]) => ids.nonEmpty)
  final val randomSeed: LongParam =
    new LongParam(this, "randomSeed", "seed for sampling", ParamValidators.gtEq(0L))

  final val size: IntParam =
    new IntParam(this, "size", "side of the model's input, pixels", ParamValidators.gt(0))
  final val imageMean: DoubleArrayParam = new DoubleArrayParam(this, "imageMean",
    "subtracted from red, green and blue", (v: Array[Double]) => v.length == 3)
  final val imageStd: DoubleArrayParam = new DoubleArrayParam(this, "imageStd",
    "red, green and blue are divided by it", (v: Array[Double]) => v.length == 3)
  final val resample: IntParam = new IntParam(this, "resample",
    "filter for resizing, by Pillow's number; 3 is bicubic",
    ParamValidators.inRange(0, 5))

  final val doNormalize: BooleanParam =
    new BooleanParam(this, "doNormalize", "use imageMean and imageStd")
  final val doResize: BooleanParam = new BooleanParam(this, "doResize",
    "pictures are always resized: the model takes one size")
  final val featureExtractorType: Param[String] = new Param[String](this, "featureExtractorType",
    "no effect; exists for compatibility with Spark NLP")
  final val nReturnSequences: IntParam = new IntParam(this, "nReturnSequences",
    "answers per question, always 1", (value: Int) => value == 1)
  final val lazyAnnotator: BooleanParam =
    new BooleanParam(this, "lazyAnnotator", "skip the stage in a LightPipeline")

  // The defaults of size, imageMean, imageStd and resample come from the model's own files.
  setDefault(
    inputCols -> Array("image_assembler"),
    outputCol -> "answer",
    structCol -> "",
    annotatedImage -> "png",
    annotatedImagePixels -> 8000000L,
    maxPixels -> 200000000L,
    compute -> "auto",
    lora -> Array.empty[String],
    task -> "",
    thenTasks -> Array.empty[String],
    answerAs -> "",
    tiles -> "",
    minScore -> 0.0,
    labels -> Array.empty[String],
    doNormalize -> true,
    doResize -> true,
    featureExtractorType -> "FlorenceFeatureExtractor",
    nReturnSequences -> 1,
    lazyAnnotator -> false,
    batchSize -> 1,
    beamSize -> 1,
    minOutputLength -> 10,
    maxOutputLength -> 200,
    maxInputLength -> 1024,
    doSample -> false,
    temperature -> 1.0,
    topK -> 50,
    topP -> 1.0,
    repetitionPenalty -> 1.0,
    noRepeatNgramSize -> 3,
    ignoreTokenIds -> Array.empty[Int],
    stopTokenIds -> Array(2))

  def getInputCols: Array[String] = $(inputCols)
  def getOutputCol: String = $(outputCol)
  def getStructCol: String = $(structCol)
  def getAnnotatedImage: String = $(annotatedImage)
  def getAnnotatedImagePixels: Long = $(annotatedImagePixels)
  def getMaxPixels: Long = $(maxPixels)
  def getModel: String = $(model)
  def getCompute: String = $(compute)
  def getBatchSize: Int = $(batchSize)
  def getBeamSize: Int = $(beamSize)
  def getMinOutputLength: Int = $(minOutputLength)
  def getMaxOutputLength: Int = $(maxOutputLength)
  def getMaxInputLength: Int = $(maxInputLength)
  def getDoSample: Boolean = $(doSample)
  def getTemperature: Double = $(temperature)
  def getTopK: Int = $(topK)
  def getTopP: Double = $(topP)
  def getRepetitionPenalty: Double = $(repetitionPenalty)
  def getNoRepeatNgramSize: Int = $(noRepeatNgramSize)
  def getIgnoreTokenIds: Array[Int] = $(ignoreTokenIds)
  def getStopTokenIds: Array[Int] = $(stopTokenIds)
  /** As in Spark NLP. */
  def getRandomSeed: Option[Long] = get(randomSeed)
  def getLora: Array[String] = $(lora)
  def getTask: String = $(task)
  def getThenTasks: Array[String] = $(thenTasks)
  def getAnswerAs: String = $(answerAs)
  def getTiles: String = $(tiles)
  def getMinScore: Double = $(minScore)
  def getLabels: Array[String] = $(labels)
  def getCompatibility: String = $(compatibility)
  def getLengthPenalty: Double = $(lengthPenalty)
  def getDoNormalize: Boolean = $(doNormalize)
  def getDoResize: Boolean = $(doResize)
  def getFeatureExtractorType: String = $(featureExtractorType)
  def getNReturnSequences: Int = $(nReturnSequences)
  def getLazyAnnotator: Boolean = $(lazyAnnotator)
  /** The engine's name; Spark NLP returns "openvino" here. */
  def getEngine: String = "uffizi"
  def getSize: Int = $(size)
  def getImageMean: Array[Double] = $(imageMean)
  def getImageStd: Array[Double] = $(imageStd)
  def getResample: Int = $(resample)

  /** Options of questions, with the names in uffizi.h. */
  private[spark] def generationOptions: Map[String, String] = {
    val always = Map(
      "num_beams" -> $(beamSize).toString,
      "max_length" -> $(maxOutputLength).toString,
      "do_sample" -> $(doSample).toString,
      "temperature" -> $(temperature).toString,
      "top_k" -> $(topK).toString,
      "top_p" -> $(topP).toString,
      "repetition_penalty" -> $(repetitionPenalty).toString,
      "no_repeat_ngram_size" -> $(noRepeatNgramSize).toString,
      "max_input_length" -> $(maxInputLength).toString,
      "eos_token_ids" -> $(stopTokenIds).mkString(","))
    // As in Spark NLP, the default is shown but has no effect: enforcing it would pad every short
    // answer with invented words.
    val minimum = if (isSet(minOutputLength)) Some("min_length" -> $(minOutputLength).toString) else None
    val ignored =
      if ($(ignoreTokenIds).nonEmpty) Some("suppress_tokens" -> $(ignoreTokenIds).mkString(","))
      else None
    val seed = if (isSet(randomSeed)) Some("seed" -> $(randomSeed).toString) else None
    val length =
      if (isSet(lengthPenalty)) Some("length_penalty" -> $(lengthPenalty).toString) else None
    val score = if (isSet(minScore)) Some("min_score" -> $(minScore).toString) else None
    val wanted = if ($(labels).nonEmpty) Some("labels" -> $(labels).mkString("\n")) else None
    val form = if ($(answerAs).nonEmpty) Some("as" -> $(answerAs)) else None
    always ++ minimum ++ ignored ++ seed ++ length ++ score ++ wanted ++ form
  }

  /** Keys of preprocessor_config.json that override those of the model's files. */
  private[spark] def preprocessing: Map[String, String] = {
    def given(param: Param[_], key: String, json: => String) =
      if (isSet(param)) Some(key -> json) else None
    val raw = if ($(doNormalize)) Map.empty else
      Map("image_mean" -> "[0,0,0]", "image_std" -> "[1,1,1]")
    Map.empty[String, String] ++
      given(size, "size", s"""{"width":${$(size)},"height":${$(size)}}""") ++
      given(imageMean, "image_mean", $(imageMean).mkString("[", ",", "]")) ++
      given(imageStd, "image_std", $(imageStd).mkString("[", ",", "]")) ++
      given(resample, "resample", $(resample).toString) ++ raw
  }
}
