package uffizi.spark

import org.apache.spark.sql.types.{Metadata, MetadataBuilder}

private[spark] object Annotators {
  /** The metadata with which a column declares the type of its annotations. */
  def metadata(annotatorType: String): Metadata =
    new MetadataBuilder().putString("annotatorType", annotatorType).build()
}
