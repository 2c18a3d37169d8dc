package uffizi.spark

import org.apache.spark.sql.types.{Metadata, MetadataBuilder}

private[spark] object Annotators {
  /** How a column tells what its annotations are. */
  def metadata(annotatorType: String): Metadata =
    new MetadataBuilder().putString("annotatorType", annotatorType).build()
}
