package uffizi.spark

import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.sql.{Column, Dataset, SparkSession}

/** Finds columns by name with Spark's own rules: `Text` is `text` unless the session says that case
  * matters.
  */
private[spark] object Columns {
  private def same(a: String, b: String): Boolean =
    if (caseMatters) a == b else a.equalsIgnoreCase(b)

  private def caseMatters: Boolean = SparkSession.getActiveSession
    .exists(_.conf.getOption("spark.sql.caseSensitive").contains("true"))

  private def all(schema: StructType, name: String): Seq[StructField] =
    schema.fields.toSeq.filter(field => same(field.name, name))

  /** The only column of that name, if there is one. */
  def find(schema: StructType, name: String): Option[StructField] = {
    val found = all(schema, name)
    require(found.size < 2, s"${found.size} columns are called $name: rename all but one")
    found.headOption
  }

  def need(schema: StructType, name: String): StructField =
    find(schema, name).getOrElse(throw new IllegalArgumentException(
      s"there is no column $name; there are ${schema.fieldNames.mkString(", ")}"))

  def refuse(schema: StructType, name: String): Unit =
    require(all(schema, name).isEmpty, s"column $name exists already")

  /** The index of the only column of that name. */
  def index(schema: StructType, name: String): Int = {
    need(schema, name)
    schema.fields.indexWhere(field => same(field.name, name))
  }

  /** A column whose name may contain dots. */
  def of(dataset: Dataset[_], name: String): Column =
    dataset.col("`" + name.replace("`", "``") + "`")
}
