package uffizi.spark

import java.io.IOException
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Path => LocalPath, Paths, StandardCopyOption}
import java.security.MessageDigest

import scala.collection.mutable

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, FileUtil, Path}
import org.apache.spark.{SparkContext, SparkFiles}

import uffizi.Engine

/** The files of a model folder, or an artifact, on any Hadoop file system, as the driver sees them.
  *
  * @param names relative to the folder
  * @param id changes with any of the files
  */
private[spark] case class ModelFiles(uri: String, names: Seq[String], id: String)

private[spark] object ModelFiles {
  def list(folder: String, conf: Configuration): ModelFiles = {
    val path = new Path(folder)
    val fs = path.getFileSystem(conf)
    val root = fs.makeQualified(path)
    if (!fs.exists(root)) throw new java.io.FileNotFoundException(s"$root: no such model")
    // listStatus and not listFiles: the latter starts a process for each local file.
    def filesBelow(place: Path): Seq[FileStatus] = fs.listStatus(place).toSeq
      .filterNot(_.getPath.getName.startsWith(".")) // Hadoop's checksum files among others
      .flatMap(found => if (found.isDirectory) filesBelow(found.getPath) else Seq(found))
    val files = filesBelow(root).map { file =>
      (root.toUri.relativize(file.getPath.toUri).getPath, file.getLen, file.getModificationTime)
    }
    if (files.isEmpty) throw new java.io.FileNotFoundException(s"$root: an empty model folder")
    val sorted = files.sortBy(_._1)
    val digest = MessageDigest.getInstance("SHA-256")
    digest.update(s"$root\n${sorted.mkString("\n")}".getBytes(StandardCharsets.UTF_8))
    val id = digest.digest().take(12).map(b => f"$b%02x").mkString
    ModelFiles(root.toString, sorted.map(_._1), id)
  }

  /** The model folder behind a model's folder or an artifact. The latter is imported here, once: the
    * executors get the folder that it became.
    */
  def open(source: String, conf: Configuration): ModelFiles = {
    val path = new Path(source)
    val fs = path.getFileSystem(conf)
    val found = list(source, conf)
    if (fs.exists(new Path(path, "config.json"))) found
    else {
      val local =
        if (isLocal(found.uri)) Paths.get(new Path(found.uri).toUri.getPath) else localCopy(found, conf)
      list(s"file://${Engine.resolve(local.toString)}", conf)
    }
  }

  /** A copy of an artifact in the folder of temporary files, which is there the next time. */
  private def localCopy(artifact: ModelFiles, conf: Configuration): LocalPath = {
    val place = Paths.get(System.getProperty("java.io.tmpdir"), s"uffizi-${artifact.id}")
    val copied = place.resolve(new Path(artifact.uri).getName)
    if (!Files.exists(copied)) {
      val scratch = Files.createTempDirectory(s"uffizi-${artifact.id}-")
      copy(artifact, new Path(scratch.resolve(copied.getFileName).toUri), conf)
      try Files.move(scratch, place, StandardCopyOption.ATOMIC_MOVE)
      catch { case _: IOException if Files.exists(copied) => () } // another process was faster
    }
    copied
  }

  /** In a folder of models: what has that name, else the last of what matches the pattern. */
  def find(folder: String, name: String, pattern: String, conf: Configuration): Option[String] = {
    val named = new Path(folder, name)
    val fs = named.getFileSystem(conf)
    if (fs.exists(named)) Some(named.toString)
    else Option(fs.globStatus(new Path(folder, pattern)))
      .flatMap(_.map(_.getPath.toString).sorted.lastOption)
  }

  /** The text of one of a model folder's files, if it is there. */
  def read(folder: String, name: String, conf: Configuration): Option[String] = {
    val path = new Path(folder, name)
    val fs = path.getFileSystem(conf)
    if (!fs.exists(path)) return None
    val in = fs.open(path)
    try Some(new String(in.readAllBytes(), StandardCharsets.UTF_8))
    finally in.close()
  }

  /** Copies a model to a folder on any file system. */
  def copy(model: ModelFiles, target: Path, conf: Configuration): Unit = {
    val from = new Path(model.uri).getFileSystem(conf)
    val to = target.getFileSystem(conf)
    model.names.foreach { name =>
      // The one file of an artifact that is a file has no name of its own.
      def of(parent: Path) = if (name.isEmpty) parent else new Path(parent, name)
      FileUtil.copy(from, of(new Path(model.uri)), to, of(target), false, conf)
    }
  }

  def isLocal(uri: String): Boolean = Option(new Path(uri).toUri.getScheme).forall(_ == "file")
}

/** How executors come by a model. Made on the driver, sent with the tasks. */
private[spark] sealed trait ShippedModel extends Serializable {
  def id: String

  /** On an executor: a folder with the model. `scratch` is a new folder that may be filled. */
  def folder(scratch: LocalPath): LocalPath
}

/** Driver and executor are one process (or the folder is already there). */
private[spark] case class LocalModel(id: String, path: String) extends ShippedModel {
  override def folder(scratch: LocalPath): LocalPath = Paths.get(path)
}

/** A folder of the driver's machine, whose files Spark's own file server gives to executors. */
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

/** A folder on a file system that executors reach themselves. */
private[spark] case class HadoopModel(
    id: String, uri: String, names: Seq[String], conf: Map[String, String]) extends ShippedModel {
  override def folder(scratch: LocalPath): LocalPath = {
    val configuration = new Configuration(false)
    conf.foreach { case (key, value) => configuration.set(key, value) }
    val target = new Path(scratch.toUri)
    ModelFiles.copy(ModelFiles(uri, names, id), target, configuration)
    scratch
  }
}

private[spark] object ShippedModel {
  /** SparkFiles knows files by name alone, so each of ours gets a name of its own. */
  def servedName(id: String, index: Int): String = s"uffizi-$id-$index"

  def apply(model: ModelFiles, sc: SparkContext): ShippedModel = {
    if (!ModelFiles.isLocal(model.uri)) {
      val conf = mutable.Map.empty[String, String]
      val entries = sc.hadoopConfiguration.iterator()
      while (entries.hasNext) {
        val entry = entries.next()
        conf(entry.getKey) = entry.getValue
      }
      HadoopModel(model.id, model.uri, model.names, conf.toMap)
    } else {
      val folder = Paths.get(new Path(model.uri).toUri.getPath)
      if (sc.isLocal) LocalModel(model.id, folder.toString)
      else {
        serve(model, folder, sc)
        ServedModel(model.id, model.names)
      }
    }
  }

  private def serve(model: ModelFiles, folder: LocalPath, sc: SparkContext): Unit = synchronized {
    val added = sc.listFiles().map(file => file.substring(file.lastIndexOf('/') + 1)).toSet
    // Links, because the file server calls a file by its own name. They live as long as Spark's
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
