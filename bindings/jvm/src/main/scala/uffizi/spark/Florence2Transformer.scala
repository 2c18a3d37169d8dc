package uffizi.spark

import scala.annotation.varargs

import com.fasterxml.jackson.databind.ObjectMapper
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.Transformer
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util._
import org.apache.spark.sql.types._
import org.apache.spark.sql.{DataFrame, Dataset, Encoders, Row, SparkSession}

import uffizi.{Engine, UffiziException}

/** Asks a Florence-2 model about pictures: `ImageAssembler`'s column in, a column of answers out.
  *
  * Each executor JVM loads the model once, whatever the number of its tasks, and answers the rows of
  * a partition in batches. A row whose picture is null, broken or empty gets an annotation with a
  * null result, and `error` and `error_code` in its metadata.
  */
class Florence2Transformer(override val uid: String)
    extends Transformer with Florence2Params with DefaultParamsWritable {
  def this() = this(Identifiable.randomUID("Florence2Transformer"))

  /** The model's folder, on any Hadoop file system. */
  private[spark] var modelFolder: Option[String] = None

  private[spark] def setModel(source: String, conf: Configuration): this.type = {
    modelFolder = Some(ModelFiles.open(source, conf).uri)
    setModelDefaults(conf)
  }

  // Here and not beside the getters, so that chains of them need no casts in Java.
  def setInputCols(cols: Array[String]): this.type = set(inputCols, cols)
  @varargs def setInputCols(first: String, others: String*): this.type =
    set(inputCols, (first +: others).toArray)
  def setOutputCol(value: String): this.type = set(outputCol, value)
  def setStructCol(value: String): this.type = set(structCol, value)
  def setAnnotatedImage(value: String): this.type = set(annotatedImage, value)
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
  def setSize(value: Int): this.type = set(size, value)
  def setImageMean(value: Array[Double]): this.type = set(imageMean, value)
  def setImageStd(value: Array[Double]): this.type = set(imageStd, value)
  def setResample(value: Int): this.type = set(resample, value)

  /** What the model's files say is the default of the parameters that change it. */
  private def setModelDefaults(conf: Configuration): this.type = {
    ModelFiles.read(modelFolder.get, "preprocessor_config.json", conf).foreach { text =>
      val json = new ObjectMapper().readTree(text)
      def numbers(key: String): Option[Array[Double]] =
        Option(json.get(key)).map(list => Array.tabulate(list.size)(list.get(_).asDouble))
      Option(json.at("/size/height")).filter(_.isInt).foreach(v => setDefault(size -> v.asInt))
      numbers("image_mean").foreach(v => setDefault(imageMean -> v))
      numbers("image_std").foreach(v => setDefault(imageStd -> v))
      Option(json.get("resample")).filter(_.isInt).foreach(v => setDefault(resample -> v.asInt))
    }
    this
  }

  private def requireModel: String = modelFolder.getOrElse(throw new IllegalStateException(
    "this stage has no model: make it with Florence2Transformer.pretrained(), load or loadSavedModel"))

  override def copy(extra: ParamMap): Florence2Transformer = {
    val copied = defaultCopy[Florence2Transformer](extra)
    copied.modelFolder = modelFolder
    copied
  }

  private def imageType(schema: StructType): StructType = {
    val name = $(inputCols).head
    require(schema.fieldNames.contains(name), s"there is no column $name")
    schema(name).dataType match {
      case ArrayType(image: StructType, _) if Schemas.isImage(image, "result") => image
      case other => throw new IllegalArgumentException(
        s"column $name must come from ImageAssembler; it is ${other.simpleString}")
    }
  }

  override def transformSchema(schema: StructType): StructType = {
    imageType(schema)
    val added = StructField($(outputCol), ArrayType(Schemas.document), nullable = false,
      Annotators.metadata(Schemas.DocumentType)) +:
      Seq($(structCol)).filter(_.nonEmpty).map(StructField(_, ArrayType(Schemas.typed), nullable = false))
    added.foreach(field => require(!schema.fieldNames.contains(field.name),
      s"column ${field.name} exists already"))
    StructType(schema.fields ++ added)
  }

  override def transform(dataset: Dataset[_]): DataFrame = {
    val schema = transformSchema(dataset.schema)
    val spark = dataset.sparkSession
    val folder = requireModel
    val model = ModelFiles.list(folder, spark.sparkContext.hadoopConfiguration)
    val plan = AnnotatorPlan(
      model = ShippedModel(model, spark.sparkContext),
      preprocessing = preprocessing,
      compute = $(compute),
      generation = generationOptions,
      batchSize = $(batchSize),
      annotatedImage = $(annotatedImage),
      withStruct = $(structCol).nonEmpty,
      imagesIndex = dataset.schema.fieldIndex($(inputCols).head),
      imageType = imageType(dataset.schema))
    val answered =
      dataset.toDF().mapPartitions((rows: Iterator[Row]) => plan.annotate(rows))(Encoders.row(schema))
    // Columns come out of mapPartitions without the metadata that they had.
    answered.select(schema.fields.map(f => answered.col(s"`${f.name}`").as(f.name, f.metadata)).toSeq: _*)
  }

  /** The parameters, and beside them the model's files, so that it can be loaded anywhere. */
  override def write: MLWriter =
    new Florence2Transformer.Writer(requireModel, super.write)
}

object Florence2Transformer extends MLReadable[Florence2Transformer] {
  /** The model of `pretrained()`, as in Spark NLP. */
  val DefaultModel = "florence_2_base_ft_int4"
  val DefaultLanguage = "en"
  /** A setting of the Spark session: the folder, on any Hadoop file system, where `pretrained(name)`
    * finds the model's folder by its name.
    */
  val ModelsSetting = "spark.uffizi.models"
  private val SavedModel = "model"

  private class Writer(model: String, params: MLWriter) extends MLWriter {
    override protected def saveImpl(path: String): Unit = {
      params.session(sparkSession).save(path)
      val conf = sparkSession.sparkContext.hadoopConfiguration
      ModelFiles.copy(ModelFiles.list(model, conf), new Path(path, SavedModel), conf)
    }
  }

  private object Params extends DefaultParamsReadable[Florence2Transformer]

  /** Reads a stage that was saved, or a model: see `loadSavedModel`. */
  override def read: MLReader[Florence2Transformer] = new MLReader[Florence2Transformer] {
    override def load(path: String): Florence2Transformer = {
      val conf = sparkSession.sparkContext.hadoopConfiguration
      val saved = new Path(path, SavedModel)
      if (saved.getFileSystem(conf).exists(saved)) {
        Params.read.session(sparkSession).load(path).setModel(saved.toString, conf)
      } else new Florence2Transformer().setModel(path, conf)
    }
  }

  override def load(path: String): Florence2Transformer = super.load(path)

  /** A model on any Hadoop file system: a folder as Hugging Face has it, or an artifact, which is
    * imported: what Spark NLP saved (folder or zip), or a folder of OpenVINO's graphs. `useOpenvino`
    * is there for Spark NLP's sake.
    */
  def loadSavedModel(folder: String, spark: SparkSession, useOpenvino: Boolean): Florence2Transformer =
    new Florence2Transformer().setModel(folder, spark.sparkContext.hadoopConfiguration)

  def loadSavedModel(folder: String, spark: SparkSession): Florence2Transformer =
    loadSavedModel(folder, spark, useOpenvino = false)

  def pretrained(): Florence2Transformer = pretrained(DefaultModel)

  def pretrained(name: String): Florence2Transformer = pretrained(name, DefaultLanguage)

  def pretrained(name: String, lang: String): Florence2Transformer = pretrained(name, lang, null)

  /** @param name the model's name, or its folder
    * @param lang "en", the only language that Florence-2 speaks
    * @param remoteLoc a folder on any Hadoop file system that holds models: as `name`, or as Spark
    *   NLP's `name_lang_VERSION.zip`. If null: what the session's setting spark.uffizi.models says,
    *   then wherever `uffizi_model_resolve` finds that name
    */
  def pretrained(name: String, lang: String, remoteLoc: String): Florence2Transformer = {
    require(lang == DefaultLanguage, s"models know $DefaultLanguage only, not $lang")
    val spark = SparkSession.active
    val conf = spark.sparkContext.hadoopConfiguration
    val place = Option(remoteLoc).orElse(spark.conf.getOption(ModelsSetting))
    def missing(cause: Throwable) = {
      val looked = place.fold("")(" in " + _)
      val error = new java.io.FileNotFoundException(s"no model called $name$looked; put its folder " +
        s"in one that $ModelsSetting or remoteLoc names" +
        Option(cause).fold("")(" (" + _.getMessage + ")"))
      error.initCause(cause)
      error
    }
    val source = place.flatMap(ModelFiles.find(_, name, s"${name}_${lang}_*.zip", conf))
    val found =
      if (source.isDefined) source.get
      else if (remoteLoc != null) throw missing(null)
      else if (name.contains("/") && new Path(name).getFileSystem(conf).exists(new Path(name))) name
      else try s"file://${Engine.resolve(name).toAbsolutePath}"
      catch { case error: UffiziException => throw missing(error) }
    new Florence2Transformer().setModel(found, conf)
  }
}
