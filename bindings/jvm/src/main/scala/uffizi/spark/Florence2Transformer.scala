package uffizi.spark

import scala.annotation.varargs
import scala.util.Try

import com.fasterxml.jackson.databind.ObjectMapper
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util._
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation
import org.apache.spark.sql.execution.QueryExecution
import org.apache.spark.sql.functions.udf
import org.apache.spark.sql.types._
import org.apache.spark.sql.{Column, DataFrame, Dataset, Encoders, Row, SparkSession}

/** Asks a Florence-2 model about pictures: `ImageAssembler`'s column in, a column of answers out.
  *
  * Each executor JVM loads the model once, whatever the number of its tasks. A row whose picture is
  * null, broken or empty gets an annotation with a null result, and `error` and `error_code` in its
  * metadata.
  */
class Florence2Transformer(override val uid: String)
    extends SparkStage with Florence2Params with DefaultParamsWritable {
  def this() = this(Identifiable.randomUID("Florence2Transformer"))

  val inputAnnotatorTypes: Array[String] = Array(Schemas.ImageType)
  val outputAnnotatorType: String = Schemas.DocumentType

  /** Sets the model to `source`, after checking that it is complete. */
  private[spark] def openModel(source: String, spark: SparkSession): this.type = {
    val files = open(source, spark)
    setModelDefaults(files, spark)
    set(model, files.uri)
  }

  private def open(source: String, spark: SparkSession): ModelFiles = {
    val conf = Configurations.of(spark)
    val files = ModelFiles.open(source, conf)
    ModelCheck(files, conf)
    files
  }

  /** The model's folder, on any Hadoop file system. */
  private[spark] def modelFolder: Option[String] = get(model)

  // Defined here and not beside the getters, so that chained calls need no casts in Java.
  def setInputCols(cols: Array[String]): this.type = set(inputCols, cols)
  @varargs def setInputCols(first: String, others: String*): this.type =
    set(inputCols, (first +: others).toArray)
  def setOutputCol(value: String): this.type = set(outputCol, value)
  def setStructCol(value: String): this.type = set(structCol, value)
  def setAnnotatedImage(value: String): this.type = set(annotatedImage, value)
  def setAnnotatedImagePixels(value: Long): this.type = set(annotatedImagePixels, value)
  def setMaxPixels(value: Long): this.type = set(maxPixels, value)
  def setModel(value: String): this.type = set(model, value)
  def setCompute(value: String): this.type = set(compute, value)
  def setBatchSize(value: Int): this.type = set(batchSize, value)
  def setBeamSize(value: Int): this.type = set(beamSize, value)
  def setMinOutputLength(value: Int): this.type = set(minOutputLength, value)
  def setMaxOutputLength(value: Int): this.type = set(maxOutputLength, value)
  def setMaxInputLength(value: Int): this.type = set(maxInputLength, value)
  def setDoSample(value: Boolean): this.type = set(doSample, value)
  def setTemperature(value: Double): this.type = set(temperature, value)
  def setTopK(value: Int): this.type = set(topK, value)
  def setTopP(value: Double): this.type = set(topP, value)
  def setRepetitionPenalty(value: Double): this.type = set(repetitionPenalty, value)
  def setNoRepeatNgramSize(value: Int): this.type = set(noRepeatNgramSize, value)
  def setIgnoreTokenIds(value: Array[Int]): this.type = set(ignoreTokenIds, value)
  def setStopTokenIds(value: Array[Int]): this.type = set(stopTokenIds, value)
  def setRandomSeed(value: Long): this.type = set(randomSeed, value)
  def setLora(value: Array[String]): this.type = set(lora, value)
  def setTask(value: String): this.type = set(task, value)
  def setThenTasks(value: Array[String]): this.type = set(thenTasks, value)
  def setAnswerAs(value: String): this.type = set(answerAs, value)
  def setTiles(value: String): this.type = set(tiles, value)
  def setMinScore(value: Double): this.type = set(minScore, value)
  def setLabels(value: Array[String]): this.type = set(labels, value)
  def setCompatibility(value: String): this.type = set(compatibility, value)
  def setLengthPenalty(value: Double): this.type = set(lengthPenalty, value)
  def setDoNormalize(value: Boolean): this.type = set(doNormalize, value)
  def setDoResize(value: Boolean): this.type = set(doResize, value)
  def setFeatureExtractorType(value: String): this.type = set(featureExtractorType, value)
  def setNReturnSequences(value: Int): this.type = set(nReturnSequences, value)
  def setLazyAnnotator(value: Boolean): this.type = set(lazyAnnotator, value)
  def setSize(value: Int): this.type = set(size, value)
  def setImageMean(value: Array[Double]): this.type = set(imageMean, value)
  def setImageStd(value: Array[Double]): this.type = set(imageStd, value)
  def setResample(value: Int): this.type = set(resample, value)

  /** The model's files give the defaults of the parameters that override them. */
  private def setModelDefaults(files: ModelFiles, spark: SparkSession): Unit =
    ModelFiles.read(files.uri, "preprocessor_config.json", Configurations.of(spark)).foreach { text =>
      val json = new ObjectMapper().readTree(text)
      def numbers(key: String): Option[Array[Double]] =
        Option(json.get(key)).map(list => Array.tabulate(list.size)(list.get(_).asDouble))
      Option(json.at("/size/height")).filter(_.isInt).foreach(v => setDefault(size -> v.asInt))
      numbers("image_mean").foreach(v => setDefault(imageMean -> v))
      numbers("image_std").foreach(v => setDefault(imageStd -> v))
      Option(json.get("resample")).filter(_.isInt).foreach(v => setDefault(resample -> v.asInt))
    }

  private def requireModel: String = modelFolder.getOrElse(throw new IllegalStateException(
    "this stage has no model: make it with Florence2Transformer.pretrained(), load or loadSavedModel"))

  override def copy(extra: ParamMap): Florence2Transformer = defaultCopy(extra)

  private def imageType(schema: StructType): StructType = {
    val field = Columns.need(schema, $(inputCols).head)
    field.dataType match {
      case ArrayType(image: StructType, _) if Schemas.isImage(image, "result") => image
      case other => throw new IllegalArgumentException(
        s"column ${field.name} must come from ImageAssembler; it is ${other.simpleString}")
    }
  }

  private def hasStruct: Boolean = $(structCol).nonEmpty

  private def addedFields: Seq[StructField] =
    StructField($(outputCol), ArrayType(Schemas.document), nullable = false,
      Annotators.metadata(Schemas.DocumentType)) +:
      Seq($(structCol)).filter(_.nonEmpty)
        .map(StructField(_, ArrayType(Schemas.typed), nullable = false))

  override def transformSchema(schema: StructType): StructType = {
    imageType(schema)
    addedFields.foreach(field => Columns.refuse(schema, field.name))
    require($(doResize), "doResize cannot be false: the model takes pictures of one size")
    require($(structCol) != $(outputCol), s"outputCol and structCol are both called ${$(outputCol)}")
    StructType(schema.fields ++ addedFields)
  }

  private def setting(name: String, spark: SparkSession): Option[String] = spark.conf.getOption(name)

  /** Parses an adapter, "SOURCE" or "SOURCE=WEIGHT". */
  private def adapter(given: String, spark: SparkSession): (ShippedModel, Double) = {
    val weighted = "(.*)=([-+0-9.eE]+)".r
    val (source, weight) = given match {
      case weighted(source, weight) => (source, weight.toDouble)
      case source => (source, 1.0)
    }
    (ShippedModel(Models.findAdapter(source, spark), spark), weight)
  }

  private[spark] def plan(image: StructType, spark: SparkSession): AnnotatorPlan = AnnotatorPlan(
    model = ShippedModel(open(Models.find(requireModel, Models.Language, null, spark), spark), spark),
    loras = $(lora).toSeq.map(adapter(_, spark)),
    maxEngines = setting(Florence2Transformer.MaxEnginesSetting, spark)
      .fold(Florence2Transformer.DefaultMaxEngines)(_.toInt),
    preprocessing = preprocessing,
    compute = $(compute),
    generation = generationOptions,
    tiles = $(tiles),
    task = $(task),
    thenTasks = $(thenTasks).toSeq,
    sparkNlp = get(compatibility).orElse(setting(Florence2Transformer.CompatibilitySetting, spark))
      .contains("spark-nlp"),
    annotatedImage = $(annotatedImage),
    annotatedPixels = $(annotatedImagePixels),
    maxPixels = $(maxPixels),
    withStruct = hasStruct,
    imageType = image)

  override def transform(dataset: Dataset[_]): DataFrame = {
    transformSchema(dataset.schema)
    val tasks = plan(imageType(dataset.schema), dataset.sparkSession)
    if ($(batchSize) > 1 || Florence2Transformer.isConstant(dataset)) byBatch(dataset, tasks)
    else byRow(dataset, tasks)
  }

  /** Runs as a function of each row, which Spark may omit or run after filters. */
  private def byRow(dataset: Dataset[_], tasks: AnnotatorPlan): DataFrame = {
    val answers = ArrayType(Schemas.document)
    val returned =
      if (!hasStruct) answers
      else StructType(addedFields.map(field => StructField(field.name, field.dataType, nullable = false)))
    val function = udf(new AnnotateRow(tasks), returned).asNonNullable().withName("florence2")
    // Sampling without a seed is nondeterministic.
    val repeatable = if ($(doSample) && !isSet(randomSeed)) function.asNondeterministic() else function
    val answered = repeatable(Columns.of(dataset, $(inputCols).head))
    if (!hasStruct) withColumn(dataset, answered, addedFields.head)
    else {
      val both = s"${uid}_answers"
      val frame = dataset.withColumn(both, answered)
      addedFields.foldLeft(frame) { (frame, field) =>
        withColumn(frame, frame.col(s"`$both`").getField(field.name), field)
      }.drop(both)
    }
  }

  private def withColumn(dataset: Dataset[_], column: Column, field: StructField): DataFrame =
    dataset.withColumn(field.name, column.as(field.name, field.metadata))

  /** Runs as an iteration over each partition, `batchSize` rows at a time. */
  private def byBatch(dataset: Dataset[_], tasks: AnnotatorPlan): DataFrame = {
    val schema = dataset.schema
    val index = Columns.index(schema, $(inputCols).head)
    val size = $(batchSize)
    // With temporary names, because columns may have any name, even duplicates.
    val fields = schema.fields ++ addedFields
    val names = fields.indices.map(i => s"c$i")
    val plain = StructType(fields.zip(names).map { case (field, name) => field.copy(name = name) })
    val answered = dataset.toDF(names.take(schema.length): _*).mapPartitions((rows: Iterator[Row]) =>
      if (rows.isEmpty) Iterator.empty
      else {
        val annotator = RowAnnotator.ofTask(tasks)
        rows.grouped(size).flatMap { batch =>
          val columns = annotator.annotate(batch.map(row =>
            if (row.isNullAt(index)) null else row.getSeq[Row](index)))
          batch.zip(columns).map { case (row, added) => Row.fromSeq(row.toSeq ++ added.toSeq) }
        }
      })(Encoders.row(plain))
    answered.select(fields.zip(names).map { case (field, name) =>
      answered.col(name).as(field.name, field.metadata) }.toSeq: _*)
  }

  /** Saves the parameters together with the model's files, so that the stage can be loaded
    * anywhere.
    */
  override def write: MLWriter =
    new Florence2Transformer.Writer(this, super.write)
}

object Florence2Transformer extends MLReadable[Florence2Transformer] {
  /** The model of `pretrained()`, as in Spark NLP. */
  val DefaultModel: String = Models.Default
  val DefaultLanguage: String = Models.Language
  /** A setting of the Spark session: the folder, on any Hadoop file system, where `pretrained(name)`
    * finds the model's folder by its name.
    */
  val ModelsSetting = "spark.uffizi.models"
  /** A setting of the Spark session: how many engines stay loaded in an executor. */
  val MaxEnginesSetting = "spark.uffizi.maxEngines"
  /** A setting of the Spark session: `compatibility` of stages that do not set it. */
  val CompatibilitySetting = "spark.uffizi.compatibility"
  val name = "Florence2Transformer"
  private val DefaultMaxEngines = 2
  private val SavedModel = "model"

  /** Whether Spark has all rows locally. The optimizer would then run the model on the driver. */
  private def isConstant(dataset: Dataset[_]): Boolean = Try {
    // The method is public, but not in the class that Spark 4 exposes.
    dataset.getClass.getMethod("queryExecution").invoke(dataset).asInstanceOf[QueryExecution]
      .analyzed.collectLeaves().forall(_.isInstanceOf[LocalRelation])
  }.getOrElse(false)

  private class Writer(stage: Florence2Transformer, params: MLWriter) extends MLWriter {
    override protected def saveImpl(path: String): Unit = {
      val files = stage.open(
        Models.find(stage.requireModel, DefaultLanguage, null, sparkSession), sparkSession)
      params.session(sparkSession).save(path)
      ModelFiles.copy(files, new Path(path, SavedModel), Configurations.of(sparkSession))
    }
  }

  private object Params extends DefaultParamsReadable[Florence2Transformer]

  /** Reads a stage that was saved, or a model: see `loadSavedModel`. */
  override def read: MLReader[Florence2Transformer] = new MLReader[Florence2Transformer] {
    override def load(path: String): Florence2Transformer = {
      val saved = new Path(path, SavedModel)
      if (saved.getFileSystem(Configurations.of(sparkSession)).exists(saved)) {
        Params.read.session(sparkSession).load(path).openModel(saved.toString, sparkSession)
      } else new Florence2Transformer().openModel(path, sparkSession)
    }
  }

  override def load(path: String): Florence2Transformer = super.load(path)

  /** A model on any Hadoop file system: a folder as Hugging Face has it, or an artifact, which is
    * imported: what Spark NLP saved (folder or zip), or a folder of OpenVINO's graphs. `useOpenvino`
    * is there for Spark NLP's sake.
    */
  def loadSavedModel(folder: String, spark: SparkSession, useOpenvino: Boolean): Florence2Transformer =
    new Florence2Transformer().openModel(folder, spark)

  def loadSavedModel(folder: String, spark: SparkSession): Florence2Transformer =
    loadSavedModel(folder, spark, useOpenvino = false)

  /** The model that the environment variable UFFIZI_MODEL names, else `DefaultModel`. */
  def pretrained(): Florence2Transformer = {
    val spark = SparkSession.active
    new Florence2Transformer().openModel(Models.findDefault(spark), spark)
  }

  def pretrained(name: String): Florence2Transformer = pretrained(name, DefaultLanguage)

  def pretrained(name: String, lang: String): Florence2Transformer = pretrained(name, lang, null)

  /** @param name the model's name, or its folder; `uffizi-tiny` is in the jar
    * @param lang "en", the only language that Florence-2 speaks
    * @param remoteLoc a folder on any Hadoop file system that holds models: as `name`, or as Spark
    *   NLP's `name_lang_VERSION.zip`. If null: what the session's setting spark.uffizi.models says,
    *   then wherever `uffizi_model_resolve` finds that name
    */
  def pretrained(name: String, lang: String, remoteLoc: String): Florence2Transformer = {
    val spark = SparkSession.active
    new Florence2Transformer().openModel(Models.find(name, lang, remoteLoc, spark), spark)
  }

  /** Frees the idle engines, on the driver and on all executors. Returns their number. */
  def unload(): Int = Unloading(SparkSession.active.sparkContext)
}
