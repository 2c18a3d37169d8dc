package uffizi.spark

import java.io.IOException
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Path => LocalPath, Paths, StandardCopyOption}
import java.security.MessageDigest

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, FileUtil, Path}

import uffizi.Engine

/** The files of a model folder, or an artifact, on any Hadoop file system, as the driver sees them.
  *
  * @param names relative to the folder; "" for an artifact that is a file
  * @param sizes bytes of each
  * @param id changes with place, size or time of any of the files
  */
private[spark] case class ModelFiles(uri: String, names: Seq[String], sizes: Seq[Long], id: String) {
  /** One of the files. */
  def path(name: String): Path = if (name.isEmpty) new Path(uri) else new Path(new Path(uri), name)
}

private[spark] object ModelFiles {
  def list(folder: String, conf: Configuration): ModelFiles = {
    val path = new Path(folder)
    val fs = path.getFileSystem(conf)
    val root = fs.makeQualified(path)
    if (!fs.exists(root)) throw new java.io.FileNotFoundException(s"$root: no such model")
    // listStatus instead of listFiles, which starts a process for each local file.
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
    ModelFiles(root.toString, sorted.map(_._1), sorted.map(_._2), hex(digest))
  }

  def hex(digest: MessageDigest): String = digest.digest().take(12).map(b => f"$b%02x").mkString

  /** The model folder of a model folder or artifact. An artifact is imported here, once; the
    * executors get the resulting folder.
    */
  def open(source: String, conf: Configuration): ModelFiles = {
    val found = list(source, conf)
    if (found.names.contains("config.json")) found
    else {
      ModelCheck.refusePipeline(found)
      val local =
        if (isLocal(found.uri)) Paths.get(new Path(found.uri).toUri.getPath) else localCopy(found, conf)
      list(s"file://${Engine.resolve(local.toString)}", conf)
    }
  }

  /** A copy of an artifact in the folder of temporary files, which is reused the next time. */
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

  /** In a folder of models: the one with that name, else the last one that matches the pattern. */
  def find(folder: String, name: String, pattern: String, conf: Configuration): Option[String] = {
    val named = new Path(folder, name)
    val fs = named.getFileSystem(conf)
    if (fs.exists(named)) Some(named.toString)
    else Option(fs.globStatus(new Path(folder, pattern)))
      .flatMap(_.map(_.getPath.toString).sorted.lastOption)
  }

  /** The text of a file in a model folder, if it exists. */
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
      // An artifact that is a single file has no separate file name.
      val copied = if (name.isEmpty) target else new Path(target, name)
      FileUtil.copy(from, model.path(name), to, copied, false, conf)
    }
  }

  def isLocal(uri: String): Boolean = Option(new Path(uri).toUri.getScheme).forall(_ == "file")
}
