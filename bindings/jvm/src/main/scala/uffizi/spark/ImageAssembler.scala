package uffizi.spark

import org.apache.spark.ml.Transformer
import org.apache.spark.ml.param.{Param, ParamMap}
import org.apache.spark.ml.util.{DefaultParamsReadable, DefaultParamsWritable, Identifiable}
import org.apache.spark.sql.functions._
import org.apache.spark.sql.types._
import org.apache.spark.sql.{Column, DataFrame, Dataset}

import uffizi.{Picture, UffiziException}

/** Makes the column of pictures that [[Florence2Transformer]] reads.
  *
  * The input column is either that of `spark.read.format("image")` or the `content` of
  * `spark.read.format("binaryFile")`, which is decoded here (JPEG, PNG, WebP, GIF, TIFF, turned as
  * EXIF says). The text column, if the data has it, holds one text or an array of texts for each
  * picture.
  */
class ImageAssembler(override val uid: String) extends Transformer with DefaultParamsWritable {
  def this() = this(Identifiable.randomUID("ImageAssembler"))

  final val inputCol: Param[String] = new Param[String](
    this, "inputCol", "column of pictures: an image struct, or the bytes of picture files")
  final val outputCol: Param[String] = new Param[String](this, "outputCol", "output column")
  final val textCol: Param[String] = new Param[String](
    this, "textCol", "column of what to ask: a string or an array of strings; it may be missing")
  setDefault(inputCol -> "image", outputCol -> "image_assembler", textCol -> "text")

  def setInputCol(value: String): this.type = set(inputCol, value)
  def getInputCol: String = $(inputCol)
  def setOutputCol(value: String): this.type = set(outputCol, value)
  def getOutputCol: String = $(outputCol)
  def setTextCol(value: String): this.type = set(textCol, value)
  def getTextCol: String = $(textCol)

  override def copy(extra: ParamMap): ImageAssembler = defaultCopy(extra)

  private def textType(schema: StructType): DataType =
    schema.fields.find(_.name == getTextCol).map(_.dataType) match {
      case None | Some(StringType) => StringType
      case Some(ArrayType(StringType, _)) => ArrayType(StringType)
      case Some(other) => throw new IllegalArgumentException(
        s"column $getTextCol must hold a string or an array of strings, not ${other.simpleString}")
    }

  private def checkInput(schema: StructType): Unit = {
    require(schema.fieldNames.contains(getInputCol), s"there is no column $getInputCol")
    val dataType = schema(getInputCol).dataType
    require(dataType == BinaryType || Schemas.isImage(dataType, "data"),
      s"""column $getInputCol must come from spark.read.format("image"), or hold the bytes of """ +
        s"picture files (BinaryType); it is ${dataType.simpleString}")
    require(!schema.fieldNames.contains(getOutputCol), s"column $getOutputCol exists already")
  }

  override def transformSchema(schema: StructType): StructType = {
    checkInput(schema)
    schema.add(StructField(getOutputCol, ArrayType(Schemas.image(textType(schema))),
      nullable = false, Annotators.metadata(Schemas.ImageType)))
  }

  override def transform(dataset: Dataset[_]): DataFrame = {
    checkInput(dataset.schema)
    val text = textType(dataset.schema)
    val image =
      if (dataset.schema(getInputCol).dataType == BinaryType) decoded(dataset)
      else dataset.col(getInputCol)
    val annotation = struct(
      lit(Schemas.ImageType).as("annotatorType"),
      image.getField("origin").as("origin"),
      size(image, "height"), size(image, "width"), size(image, "nChannels"), size(image, "mode"),
      image.getField("data").as("result"),
      reason(dataset.schema(getInputCol).dataType, image).as("metadata"),
      (if (dataset.schema.fieldNames.contains(getTextCol)) dataset.col(getTextCol)
       else lit("").cast(text)).as("text"))
    dataset.withColumn(getOutputCol,
      array(annotation).cast(ArrayType(Schemas.image(text)))
        .as(getOutputCol, Annotators.metadata(Schemas.ImageType)))
  }

  private def size(image: Column, name: String): Column =
    coalesce(image.getField(name), lit(-1)).as(name)

  /** As in Spark NLP, "image" is the number of the picture in its row; "error" tells why there is
    * none.
    */
  private def reason(inputType: DataType, image: Column): Column = {
    val number = map(lit("image"), lit("0"))
    val error = if (inputType == BinaryType) image.getField("error") else
      when(image.isNull, "the picture is null")
        .when(image.getField("data").isNull || image.getField("height") < 0,
          "the file could not be read as a picture")
        .when(image.getField("height") === 0 || image.getField("width") === 0,
          "the picture is empty")
    when(error.isNull, number).otherwise(map_concat(number, map(lit("error"), error)))
  }

  /** The image struct of each file, with a field `error` in addition. */
  private def decoded(dataset: Dataset[_]): Column = {
    val origin =
      if (dataset.schema.fieldNames.contains("path")) dataset.col("path").cast(StringType)
      else lit("")
    val decode = udf((bytes: Array[Byte], name: String) => ImageAssembler.decode(bytes, name))
    decode(dataset.col(getInputCol), origin)
  }
}

object ImageAssembler extends DefaultParamsReadable[ImageAssembler] {
  private val CvType8UC3 = 16 // OpenCV's number of three channels of 8 bits, as in Spark's images

  private[spark] case class Decoded(
      origin: String, height: Int, width: Int, nChannels: Int, mode: Int, data: Array[Byte],
      error: String)

  private[spark] def decode(bytes: Array[Byte], origin: String): Decoded = {
    def failed(why: String) = Decoded(origin, -1, -1, -1, -1, null, why)
    if (bytes == null) failed("the picture is null")
    else if (bytes.isEmpty) failed("the file is empty")
    else try {
      val picture = Picture.decode(bytes, if (origin == null) "" else origin)
      try Decoded(origin, picture.height, picture.width, 3, CvType8UC3, picture.bgr, null)
      finally picture.close()
    } catch {
      case error: UffiziException => failed(error.getMessage)
    }
  }
}
