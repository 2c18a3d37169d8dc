package uffizi.spark

import scala.annotation.varargs

import org.apache.spark.ml.param._
import org.apache.spark.ml.util.{DefaultParamsReadable, DefaultParamsWritable, Identifiable}
import org.apache.spark.sql.functions._
import org.apache.spark.sql.types._
import org.apache.spark.sql.{Column, DataFrame, Dataset}

/** Converts annotations to plain columns: the results as an array of strings, or as one string.
  * Spark NLP's stage of that name, with its parameters and defaults.
  */
class Finisher(override val uid: String) extends SparkStage with DefaultParamsWritable {
  def this() = this(Identifiable.randomUID("finisher"))

  final val inputCols: StringArrayParam =
    new StringArrayParam(this, "inputCols", "columns of annotations")
  final val outputCols: StringArrayParam =
    new StringArrayParam(this, "outputCols", "columns of results; by default each name prefixed with finished_")
  final val valueSplitSymbol: Param[String] = new Param[String](this, "valueSplitSymbol",
    "separator between the parts of an annotation with its metadata")
  final val annotationSplitSymbol: Param[String] = new Param[String](this, "annotationSplitSymbol",
    "separator between annotations in a string")
  final val cleanAnnotations: BooleanParam =
    new BooleanParam(this, "cleanAnnotations", "drop the columns of annotations")
  final val includeMetadata: BooleanParam = new BooleanParam(this, "includeMetadata",
    "include metadata: in a column of its own with outputAsArray, else within the string")
  final val outputAsArray: BooleanParam =
    new BooleanParam(this, "outputAsArray", "results as an array of strings instead of one string")
  final val parseEmbeddingsVectors: BooleanParam =
    new BooleanParam(this, "parseEmbeddingsVectors", "no effect: there are no embeddings")
  setDefault(cleanAnnotations -> true, includeMetadata -> false, outputAsArray -> true,
    parseEmbeddingsVectors -> false, valueSplitSymbol -> "#", annotationSplitSymbol -> "@")

  def setInputCols(value: Array[String]): this.type = set(inputCols, value)
  @varargs def setInputCols(first: String, others: String*): this.type =
    set(inputCols, (first +: others).toArray)
  def setOutputCols(value: Array[String]): this.type = set(outputCols, value)
  @varargs def setOutputCols(first: String, others: String*): this.type =
    set(outputCols, (first +: others).toArray)
  def setValueSplitSymbol(value: String): this.type = set(valueSplitSymbol, value)
  def setAnnotationSplitSymbol(value: String): this.type = set(annotationSplitSymbol, value)
  def setCleanAnnotations(value: Boolean): this.type = set(cleanAnnotations, value)
  def setIncludeMetadata(value: Boolean): this.type = set(includeMetadata, value)
  def setOutputAsArray(value: Boolean): this.type = set(outputAsArray, value)
  def setParseEmbeddingsVectors(value: Boolean): this.type = set(parseEmbeddingsVectors, value)
  def getInputCols: Array[String] = $(inputCols)
  def getOutputCols: Array[String] = get(outputCols).getOrElse(getInputCols.map("finished_" + _))
  def getValueSplitSymbol: String = $(valueSplitSymbol)
  def getAnnotationSplitSymbol: String = $(annotationSplitSymbol)
  def getCleanAnnotations: Boolean = $(cleanAnnotations)
  def getIncludeMetadata: Boolean = $(includeMetadata)
  def getOutputAsArray: Boolean = $(outputAsArray)
  def getParseEmbeddingsVectors: Boolean = $(parseEmbeddingsVectors)

  override def copy(extra: ParamMap): Finisher = defaultCopy(extra)

  private def isAnnotation(field: StructField): Boolean = field.dataType match {
    case ArrayType(struct: StructType, _) =>
      field.metadata.contains("annotatorType") && struct.fieldNames.contains("annotatorType")
    case _ => false
  }

  private def check(schema: StructType): Unit = {
    require(getInputCols.length == getOutputCols.length,
      s"inputCols are ${getInputCols.length} and outputCols ${getOutputCols.length}")
    for (name <- getInputCols) {
      val field = Columns.need(schema, name)
      require(isAnnotation(field) && field.metadata.getString("annotatorType") != Schemas.ImageType,
        s"column $name holds no annotations with a text as result; it is ${field.dataType.simpleString}")
    }
    getOutputCols.foreach(Columns.refuse(schema, _))
  }

  private def metadataColumns: Array[String] =
    if ($(outputAsArray) && $(includeMetadata)) getOutputCols.map(_ + "_metadata") else Array.empty

  override def transformSchema(schema: StructType): StructType = {
    check(schema)
    val results = if ($(outputAsArray)) ArrayType(StringType) else StringType
    val metadata = ArrayType(Finisher.MetadataEntry)
    val all = schema.fields ++ getOutputCols.map(StructField(_, results)) ++
      metadataColumns.map(StructField(_, metadata))
    StructType(if ($(cleanAnnotations)) all.filterNot(isAnnotation) else all)
  }

  override def transform(dataset: Dataset[_]): DataFrame = {
    check(dataset.schema)
    val columns = getInputCols.zip(getOutputCols)
    val finished = columns.foldLeft(dataset.toDF()) { case (frame, (input, output)) =>
      frame.withColumn(output, finish(Columns.of(frame, input)))
    }
    val described = columns.map(_._1).zip(metadataColumns).foldLeft(finished) {
      case (frame, (input, output)) =>
        val entries = transform_(Columns.of(frame, input))(a => map_entries(a.getField("metadata")))
        frame.withColumn(output, flatten(entries))
    }
    if (!$(cleanAnnotations)) described
    else described.drop(dataset.schema.fields.filter(isAnnotation).map(_.name).toSeq: _*)
  }

  private def transform_(column: Column)(each: Column => Column): Column =
    org.apache.spark.sql.functions.transform(column, each)

  private def finish(annotations: Column): Column =
    if ($(outputAsArray)) annotations.getField("result")
    else {
      val parts =
        if (!$(includeMetadata)) annotations.getField("result")
        else transform_(annotations)(a => concat_ws($(valueSplitSymbol),
          transform_(map_entries(a.getField("metadata")))(entry =>
            concat(entry.getField("key"), lit("->"), entry.getField("value"))),
          concat(lit("result->"), a.getField("result"))))
      concat_ws($(annotationSplitSymbol), parts)
    }
}

object Finisher extends DefaultParamsReadable[Finisher] {
  private val MetadataEntry = StructType(Seq(
    StructField("key", StringType, nullable = false), StructField("value", StringType)))
}
