package uffizi.spark

import java.nio.file.{Files, Path => LocalPath, Paths}

import org.apache.hadoop.fs.Path
import org.apache.spark.SparkFiles
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.sql.SparkSession
import org.apache.spark.util.SerializableConfiguration

/** How executors get a model. Created on the driver and sent with the tasks. */
private[spark] sealed trait ShippedModel extends Serializable {
  def id: String

  /** On an executor: returns a folder with the model. `scratch` is a new folder that may be used.
    */
  def folder(scratch: LocalPath): LocalPath
}

/** Driver and executor are one process (or the folder is already there). */
private[spark] case class LocalModel(id: String, path: String) extends ShippedModel {
  override def folder(scratch: LocalPath): LocalPath = Paths.get(path)
}

/** A folder on the driver's machine, whose files Spark's own file server sends to executors. */
private[spark] case class ServedModel(id: String, names: Seq[String]) extends ShippedModel {
  override def folder(scratch: LocalPath): LocalPath = {
    names.zipWithIndex.foreach { case (name, i) =>
      val link = scratch.resolve(name)
      Files.createDirectories(link.getParent)
      Files.createSymbolicLink(link, Paths.get(SparkFiles.get(ShippedModel.servedName(id, i))))
    }
    scratch
  }
}

/** A folder on a file system that executors can access. Its settings are sent once to each of them,
  * not with each task.
  */
private[spark] case class HadoopModel(
    model: ModelFiles, conf: Broadcast[SerializableConfiguration]) extends ShippedModel {
  override def id: String = model.id

  override def folder(scratch: LocalPath): LocalPath = {
    ModelFiles.copy(model, new Path(scratch.toUri), conf.value.value)
    scratch
  }
}

private[spark] object ShippedModel {
  /** SparkFiles identifies files by name only, so each of ours gets a unique name. */
  def servedName(id: String, index: Int): String = s"uffizi-$id-$index"

  def apply(model: ModelFiles, spark: SparkSession): ShippedModel = {
    val sc = spark.sparkContext
    if (!ModelFiles.isLocal(model.uri)) {
      val scheme = new Path(model.uri).toUri.getScheme
      val conf = Configurations.needed(Configurations.of(spark), scheme)
      HadoopModel(model, sc.broadcast(new SerializableConfiguration(conf)))
    } else {
      val folder = Paths.get(new Path(model.uri).toUri.getPath)
      if (sc.isLocal) LocalModel(model.id, folder.toString)
      else {
        serve(model, folder, spark)
        ServedModel(model.id, model.names)
      }
    }
  }

  private def serve(model: ModelFiles, folder: LocalPath, spark: SparkSession): Unit = synchronized {
    val sc = spark.sparkContext
    val added = sc.listFiles().map(file => file.substring(file.lastIndexOf('/') + 1)).toSet
    // Links, because the file server uses a file's own name. They exist as long as Spark's
    // temporary files.
    val links = Files.createDirectories(
      Paths.get(SparkFiles.getRootDirectory()).resolve(s"uffizi-links-${model.id}"))
    model.names.zipWithIndex.foreach { case (name, i) =>
      val served = servedName(model.id, i)
      if (!added.contains(served)) {
        val link = links.resolve(served)
        Files.deleteIfExists(link)
        Files.createSymbolicLink(link, folder.resolve(name).toAbsolutePath)
        sc.addFile("file://" + link.toUri.getRawPath)
      }
    }
  }
}
