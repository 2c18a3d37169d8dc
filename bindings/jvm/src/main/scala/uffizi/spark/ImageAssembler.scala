package uffizi.spark

import org.apache.spark.ml.param.{Param, ParamMap}
import org.apache.spark.ml.util.{DefaultParamsReadable, DefaultParamsWritable, Identifiable}
import org.apache.spark.sql.functions._
import org.apache.spark.sql.types._
import org.apache.spark.sql.{Column, DataFrame, Dataset, SparkSession}

/** Makes the column of pictures that [[Florence2Transformer]] reads.
  *
  * The input column is either that of `spark.read.format("image")` or the `content` of
  * `spark.read.format("binaryFile")`. Files stay as they are (`result` holds their bytes, height and
  * width are -1) until the model looks at them, so a large picture costs the Java heap no more than
  * its file. The text column, if the data has it, holds one text or an array of texts for each
  * picture.
  */
class ImageAssembler(override val uid: String) extends SparkStage with DefaultParamsWritable {
  def this() = this(Identifiable.randomUID("ImageAssembler"))

  final val inputCol: Param[String] = new Param[String](
    this, "inputCol", "column of pictures: an image struct, or the bytes of picture files")
  final val outputCol: Param[String] = new Param[String](this, "outputCol", "output column")
  final val textCol: Param[String] = new Param[String](
    this, "textCol", "column of prompts: a string or an array of strings; it may be missing")
  setDefault(inputCol -> "image", outputCol -> "image_assembler", textCol -> "text")

  def setInputCol(value: String): this.type = set(inputCol, value)
  def getInputCol: String = $(inputCol)
  def setOutputCol(value: String): this.type = set(outputCol, value)
  def getOutputCol: String = $(outputCol)
  def setTextCol(value: String): this.type = set(textCol, value)
  def getTextCol: String = $(textCol)

  val outputAnnotatorType: String = Schemas.ImageType

  override def copy(extra: ParamMap): ImageAssembler = defaultCopy(extra)

  private def textType(schema: StructType): DataType =
    Columns.find(schema, getTextCol).map(_.dataType) match {
      case None | Some(StringType) => StringType
      case Some(ArrayType(StringType, _)) => ArrayType(StringType)
      case Some(other) => throw new IllegalArgumentException(
        s"column $getTextCol must hold a string or an array of strings, not ${other.simpleString}")
    }

  private def checkInput(schema: StructType): Unit = {
    val dataType = Columns.need(schema, getInputCol).dataType
    require(dataType == BinaryType || Schemas.isImage(dataType, "data"),
      s"""column $getInputCol must come from spark.read.format("image"), or hold the bytes of """ +
        s"picture files (BinaryType); it is ${dataType.simpleString}")
    Columns.refuse(schema, getOutputCol)
  }

  override def transformSchema(schema: StructType): StructType = {
    checkInput(schema)
    schema.add(StructField(getOutputCol, ArrayType(Schemas.image(textType(schema))),
      nullable = false, Annotators.metadata(Schemas.ImageType)))
  }

  override def transform(dataset: Dataset[_]): DataFrame = {
    val schema = dataset.schema
    checkInput(schema)
    val given = Columns.of(dataset, getInputCol)
    val image =
      if (Columns.need(schema, getInputCol).dataType == BinaryType) ofFile(dataset, given)
      else ofStruct(given)
    val text =
      if (Columns.find(schema, getTextCol).isDefined) Columns.of(dataset, getTextCol)
      else lit("").cast(textType(schema))
    val annotation = struct((image :+ text.as("text")): _*)
    dataset.withColumn(getOutputCol,
      array(annotation).cast(ArrayType(Schemas.image(textType(schema))))
        .as(getOutputCol, Annotators.metadata(Schemas.ImageType)))
  }

  /** A row of Spark's image source. */
  private def ofStruct(image: Column): Seq[Column] = {
    def number(name: String) = coalesce(image.getField(name), lit(-1)).as(name)
    val data = image.getField("data")
    val problem = when(image.isNull, "the picture is null")
      .when(data.isNull || (length(data) === 0 && image.getField("height") < 0),
        "the file could not be read as a picture")
      .when(length(data) === 0, "the picture is empty")
    Seq(lit(Schemas.ImageType).as("annotatorType"), image.getField("origin").as("origin"),
      number("height"), number("width"), number("nChannels"), number("mode"), data.as("result"),
      metadata(problem))
  }

  /** A picture file. */
  private def ofFile(dataset: Dataset[_], bytes: Column): Seq[Column] = {
    val origin =
      if (Columns.find(dataset.schema, "path").isDefined) Columns.of(dataset, "path").cast(StringType)
      else lit("")
    val problem = when(bytes.isNull, "the picture is null").when(length(bytes) === 0, "the file is empty")
    Seq(lit(Schemas.ImageType).as("annotatorType"), origin.as("origin")) ++
      Seq("height", "width", "nChannels", "mode").map(lit(-1).as(_)) ++
      Seq(bytes.as("result"), metadata(problem))
  }

  /** As in Spark NLP, "image" is the number of the picture in its row; "error" tells why there is
    * none.
    */
  private def metadata(problem: Column): Column = {
    val number = map(lit("image"), lit("0"))
    when(problem.isNull, number).otherwise(map_concat(number, map(lit("error"), problem))).as("metadata")
  }
}

object ImageAssembler extends DefaultParamsReadable[ImageAssembler] {
  val name = "ImageAssembler"
  private val Endings = "jpeg,jpg,png,gif,bmp,webp,tif,tiff,avif,heic,jxl,jp2"

  /** Picture files as image structs whose `data` are the files' bytes, as Spark NLP makes them; here
    * height, width, nChannels and mode are -1, since no picture is decoded for them.
    */
  def loadImagesAsBytes(spark: SparkSession, path: String): DataFrame = {
    val unknown = lit(-1)
    spark.read.format("binaryFile").option("recursiveFileLookup", "true")
      .option("pathGlobFilter", s"*.{$Endings,${Endings.toUpperCase}}")
      .load(path)
      .select(struct(col("path").as("origin"), unknown.as("height"), unknown.as("width"),
        unknown.as("nChannels"), unknown.as("mode"), col("content").as("data")).as("image"),
        col("path"), col("modificationTime"), col("length"))
  }
}
