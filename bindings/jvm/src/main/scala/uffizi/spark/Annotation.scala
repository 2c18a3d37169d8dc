package uffizi.spark

import scala.collection.Map

import org.apache.spark.sql.{Dataset, Row}
import org.apache.spark.sql.types.{ArrayType, StructType}

/** A stage's annotation of a row; its columns contain lists of annotations. */
trait IAnnotation {
  def annotatorType: String
}

/** An element of Florence2Transformer's column. */
case class Annotation(
    annotatorType: String,
    begin: Int,
    end: Int,
    result: String,
    metadata: Map[String, String],
    embeddings: Array[Float] = Array.emptyFloatArray)
    extends IAnnotation {
  def getAnnotatorType: String = annotatorType
  def getBegin: Int = begin
  def getEnd: Int = end
  def getResult: String = result
  def getMetadata: Map[String, String] = metadata

  override def equals(other: Any): Boolean = other match {
    case a: Annotation =>
      annotatorType == a.annotatorType && begin == a.begin && end == a.end && result == a.result &&
        metadata == a.metadata && embeddings.sameElements(a.embeddings)
    case _ => false
  }
  override def hashCode: Int = (annotatorType, begin, end, result, metadata).hashCode
  override def toString: String =
    s"Annotation(type: $annotatorType, begin: $begin, end: $end, result: $result)"
}

object Annotation {
  val dataType: StructType = Schemas.document
  val arrayType: ArrayType = ArrayType(dataType, containsNull = true)

  def apply(row: Row): Annotation = Annotation(row.getString(0), row.getInt(1), row.getInt(2),
    row.getString(3), row.getMap[String, String](4), row.getSeq[Float](5).toArray)

  /** The annotations in one column of a row. */
  def getAnnotations(row: Row, column: String): Seq[Annotation] =
    row.getSeq[Row](row.fieldIndex(column)).map(apply).toSeq

  def getAnnotations(row: Row, column: Int): Seq[Annotation] =
    row.getSeq[Row](column).map(apply).toSeq

  /** The annotations of all rows. */
  def collect(dataset: Dataset[Row], column: String): Array[Array[Annotation]] =
    dataset.select(Columns.of(dataset, column)).collect().map(getAnnotations(_, 0).toArray)

  /** The annotations of the first rows. */
  def take(dataset: Dataset[Row], column: String, howMany: Int): Array[Array[Annotation]] =
    dataset.select(Columns.of(dataset, column)).take(howMany).map(getAnnotations(_, 0).toArray)
}

/** An element of ImageAssembler's column. `result` are pixels, or the bytes of a file, of which height
  * and width are -1.
  */
case class AnnotationImage(
    annotatorType: String,
    origin: String,
    height: Int,
    width: Int,
    nChannels: Int,
    mode: Int,
    result: Array[Byte],
    metadata: Map[String, String],
    text: String = "")
    extends IAnnotation {
  def getAnnotatorType: String = annotatorType
  def getOrigin: String = origin
  def getHeight: Int = height
  def getWidth: Int = width
  def getChannels: Int = nChannels
  def getMode: Int = mode
  def getMetadata: Map[String, String] = metadata
  def getText: String = text
}

object AnnotationImage {
  def apply(row: Row): AnnotationImage = AnnotationImage(row.getString(0), row.getString(1),
    row.getInt(2), row.getInt(3), row.getInt(4), row.getInt(5), row.getAs[Array[Byte]](6),
    row.getMap[String, String](7), row.getString(8))
}
