package uffizi.spark

import java.nio.charset.StandardCharsets
import java.nio.file.{Files, LinkOption, Path => LocalPath, Paths}
import java.security.MessageDigest
import java.util.Comparator
import java.util.concurrent.atomic.AtomicInteger

import scala.collection.mutable

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkFiles

import uffizi.{Engine, Session}

/** The properties that distinguish engines.
  *
  * @param content digest of all the model's files: a model that was saved again is the same model
  * @param loras the same of adapters, and their weights
  */
private[spark] case class EngineKey(content: String, loras: Seq[(String, Double)],
    preprocessing: Map[String, String], compute: String, threads: Int) {
  def contents: Seq[String] = content +: loras.map(_._1)
}

/** An engine in use, which is not freed before `close`. */
private[spark] trait EngineLease extends AutoCloseable {
  def newSession(): Session
}

/** The engines of this JVM: one per model, loaded by the first task and shared by all. They stay
  * loaded for the next job. If there are more than `maxEngines`, the one that has been idle longest
  * is freed.
  */
private[spark] object SharedEngines {
  private val PreprocessorConfig = "preprocessor_config.json"

  /** A model's files on this machine. `owned`: a copy, which is removed with the last engine made
    * from it.
    */
  private case class LocalFolder(path: LocalPath, owned: Option[LocalPath])

  private class Loaded(val key: EngineKey, val engine: Engine, val scratch: Option[LocalPath]) {
    val users = new AtomicInteger(0)
    @volatile var lastUse: Long = System.nanoTime
  }

  private val engines = mutable.Map.empty[EngineKey, Loaded]
  private val contents = mutable.Map.empty[String, String] // of a ShippedModel's id
  private val folders = mutable.Map.empty[String, LocalFolder] // of a content

  /** The engine of a plan, loaded if necessary. Only one is loaded at a time. */
  def lease(plan: AnnotatorPlan, threads: Int): EngineLease = synchronized {
    val content = contents.getOrElseUpdate(plan.model.id, fetch(plan.model))
    val loras = plan.loras.map { case (adapter, weight) =>
      (contents.getOrElseUpdate(adapter.id, fetch(adapter)), weight)
    }
    val key = EngineKey(content, loras, plan.preprocessing, plan.compute, threads)
    val loaded = engines.getOrElse(key, {
      free(plan.maxEngines - 1, key.contents) // before, so that there are never more in memory
      val made = load(key)
      engines(key) = made
      made
    })
    loaded.users.incrementAndGet()
    new EngineLease {
      private var open = true
      override def newSession(): Session = loaded.engine.newSession()
      override def close(): Unit = if (open) {
        open = false
        loaded.lastUse = System.nanoTime
        loaded.users.decrementAndGet()
      }
    }
  }

  /** How many engines this JVM holds. */
  def count: Int = synchronized(engines.size)

  /** Frees unused engines. Returns their number. */
  def unload(): Int = synchronized {
    val before = engines.size
    free(0, wanted = Nil)
    before - engines.size
  }

  /** @param wanted contents whose files stay here */
  private def free(keep: Int, wanted: Seq[String]): Unit = {
    val idle = engines.values.filter(_.users.get == 0).toSeq.sortBy(_.lastUse)
    idle.take(math.max(0, engines.size - math.max(0, keep))).foreach { loaded =>
      engines -= loaded.key
      loaded.engine.close()
      loaded.scratch.foreach(delete)
      for (content <- loaded.key.contents if !wanted.contains(content) &&
             !engines.keys.exists(_.contents.contains(content))) {
        folders.remove(content).flatMap(_.owned).foreach(delete)
        contents.filter(_._2 == content).keys.toSeq.foreach(contents.remove)
      }
    }
  }

  private def scratchFolder(name: String): LocalPath =
    Files.createTempDirectory(Paths.get(SparkFiles.getRootDirectory()), s"uffizi-$name-")

  /** Copies a model to this machine and returns a digest of its content. A model that is already
    * here is not stored twice.
    */
  private def fetch(model: ShippedModel): String = {
    val scratch = scratchFolder("model")
    try {
      val folder = model.folder(scratch)
      val content = digest(folder)
      val owned = if (folder.startsWith(scratch)) Some(scratch) else None
      if (folders.contains(content) || owned.isEmpty) delete(scratch)
      if (!folders.contains(content)) folders(content) = LocalFolder(folder, owned)
      content
    } catch {
      case error: Throwable =>
        delete(scratch)
        throw error
    }
  }

  /** Of names and contents of all files. */
  private[spark] def digest(folder: LocalPath): String = {
    val digest = MessageDigest.getInstance("SHA-256")
    val buffer = new Array[Byte](1 << 20)
    def add(place: LocalPath, name: String): Unit = {
      val children = Files.list(place)
      val sorted =
        try children.toArray.toSeq.map(_.asInstanceOf[LocalPath]).sortBy(_.getFileName.toString)
        finally children.close()
      // Hidden files, such as Hadoop's checksums, do not belong to the model.
      for (child <- sorted if !child.getFileName.toString.startsWith(".")) {
        val path = s"$name/${child.getFileName}"
        if (Files.isDirectory(child)) add(child, path)
        else {
          digest.update(s"$path ${Files.size(child)}\n".getBytes(StandardCharsets.UTF_8))
          val in = Files.newInputStream(child)
          try Iterator.continually(in.read(buffer)).takeWhile(_ >= 0).foreach(digest.update(buffer, 0, _))
          finally in.close()
        }
      }
    }
    add(folder, "")
    ModelFiles.hex(digest)
  }

  /** Links are deleted, not what they point to. */
  private def delete(folder: LocalPath): Unit =
    if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      val found = Files.walk(folder)
      try found.sorted(Comparator.reverseOrder[LocalPath]()).forEach(path => Files.deleteIfExists(path))
      finally found.close()
    }

  private def load(key: EngineKey): Loaded = {
    val model = folders(key.content).path
    val adapted = if (key.preprocessing.isEmpty) None else Some(adapt(model, key.preprocessing))
    val options = new java.util.HashMap[String, String]()
    options.put("compute", key.compute)
    options.put("threads", key.threads.toString)
    if (key.loras.nonEmpty) options.put("lora",
      key.loras.map { case (content, weight) => s"${folders(content).path}=$weight" }.mkString("\n"))
    new Loaded(key, Engine.load(adapted.getOrElse(model), options), adapted)
  }

  /** A folder of links to the model's files, with a preprocessor_config.json of its own. */
  private def adapt(model: LocalPath, preprocessing: Map[String, String]): LocalPath = {
    val config = model.resolve(PreprocessorConfig)
    require(Files.exists(config),
      s"$model has no $PreprocessorConfig: size, imageMean, imageStd and resample cannot be set")
    val mapper = new ObjectMapper()
    val json = mapper.readTree(Files.readAllBytes(config)).asInstanceOf[ObjectNode]
    preprocessing.foreach { case (key, value) => json.set[ObjectNode](key, mapper.readTree(value)) }
    val adapted = scratchFolder("adapted")
    val entries = Files.list(model)
    try entries.forEach { entry =>
      Files.createSymbolicLink(adapted.resolve(entry.getFileName), entry.toAbsolutePath)
      ()
    } finally entries.close()
    Files.delete(adapted.resolve(PreprocessorConfig))
    Files.write(adapted.resolve(PreprocessorConfig),
      json.toString.getBytes(StandardCharsets.UTF_8))
    adapted
  }
}
