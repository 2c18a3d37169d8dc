package uffizi.spark

import scala.collection.mutable

import org.apache.hadoop.conf.Configuration
import org.apache.spark.sql.SparkSession

/** Settings of Hadoop's file systems. */
private[spark] object Configurations {
  /** The settings that Spark's own readers use: those of the cluster, overridden by those of the
    * session, such as `spark.conf.set("fs.azure.account.key...", ...)`.
    */
  def of(spark: SparkSession): Configuration = {
    val conf = new Configuration(spark.sparkContext.hadoopConfiguration)
    spark.conf.getAll.foreach { case (key, value) =>
      if (value != null && !key.startsWith("spark.")) conf.set(key, value)
    }
    conf
  }

  private val Families: Map[String, Seq[String]] = Map(
    "s3" -> Seq("fs.s3"), // fs.s3a and fs.s3n, too
    "azure" -> Seq("fs.azure", "fs.abfs", "fs.wasb", "fs.adl", "dfs.adls"),
    "gs" -> Seq("fs.gs", "google.cloud"),
    "oss" -> Seq("fs.oss"),
    "cosn" -> Seq("fs.cosn"),
    "obs" -> Seq("fs.obs"),
    "swift" -> Seq("fs.swift"))
  private val FamilyOf: Map[String, String] = Map(
    "s3" -> "s3", "s3a" -> "s3", "s3n" -> "s3", "abfs" -> "azure", "abfss" -> "azure",
    "wasb" -> "azure", "wasbs" -> "azure", "adl" -> "azure", "gs" -> "gs", "oss" -> "oss",
    "cosn" -> "cosn", "obs" -> "obs", "swift" -> "swift", "hdfs" -> "hdfs", "webhdfs" -> "hdfs",
    "swebhdfs" -> "hdfs")
  private val General = Seq("fs.", "dfs.", "hadoop.", "io.", "ipc.", "net.", "ha.", "rpc.")

  /** The settings that the file system of that scheme may need, without secrets of other stores. An
    * unknown scheme, or one that refers to others (viewfs), gets all settings of file systems.
    */
  def needed(conf: Configuration, scheme: String): Configuration = {
    val family = FamilyOf.get(scheme)
    val own = family.flatMap(Families.get).getOrElse(Nil)
    val foreign =
      if (family.isEmpty) Nil else Families.filter(f => !family.contains(f._1)).values.flatten.toSeq
    val kept = new Configuration(false)
    val entries = conf.iterator()
    while (entries.hasNext) {
      val entry = entries.next()
      val key = entry.getKey
      val wanted = own.exists(key.startsWith) ||
        (General.exists(key.startsWith) && !foreign.exists(key.startsWith)) ||
        (family.isEmpty && Families.values.flatten.exists(key.startsWith))
      // Unexpanded: what it refers to is in the other settings or in the environment.
      if (wanted) kept.set(key, conf.getRaw(key))
    }
    resolve(conf, kept)
  }

  /** Settings may refer to others, `${hadoop.tmp.dir}/s3a`, which may have been left out. */
  private def resolve(conf: Configuration, kept: Configuration): Configuration = {
    val quoted = mutable.Buffer.empty[String]
    val entries = kept.iterator()
    while (entries.hasNext) {
      val entry = entries.next()
      if (entry.getValue.contains("${")) quoted += entry.getKey
    }
    quoted.foreach(key => Option(conf.get(key)).foreach(kept.set(key, _)))
    kept
  }
}
