package uffizi.spark

import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Path => LocalPath, Paths}
import java.util.concurrent.ConcurrentHashMap

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkFiles

import uffizi.Engine

/** What makes one engine differ from another. */
private[spark] case class EngineKey(
    modelId: String, preprocessing: Map[String, String], compute: String, threads: Int)

/** The engines of this JVM: one for each model, shared by all tasks, loaded by the first. They stay
  * loaded as long as the JVM lives, as the next job will want them again.
  */
private[spark] object SharedEngines {
  private val PreprocessorConfig = "preprocessor_config.json"
  private val engines = new ConcurrentHashMap[EngineKey, Engine]()

  def get(plan: AnnotatorPlan, threads: Int): Engine =
    engines.computeIfAbsent(
      EngineKey(plan.model.id, plan.preprocessing, plan.compute, threads), key => load(plan.model, key))

  /** How many engines this JVM has loaded. */
  def count: Int = engines.size

  private def load(model: ShippedModel, key: EngineKey): Engine = {
    val scratch =
      Files.createTempDirectory(Paths.get(SparkFiles.getRootDirectory()), "uffizi-model-")
    val given = model.folder(scratch)
    val folder = if (key.preprocessing.isEmpty) given else adapt(given, key.preprocessing)
    val options = new java.util.HashMap[String, String]()
    options.put("compute", key.compute)
    options.put("threads", key.threads.toString)
    Engine.load(folder, options)
  }

  /** A folder of links to the model's files, with a preprocessor_config.json of its own. */
  private def adapt(model: LocalPath, preprocessing: Map[String, String]): LocalPath = {
    val config = model.resolve(PreprocessorConfig)
    require(Files.exists(config),
      s"$model has no $PreprocessorConfig: size, imageMean, imageStd and resample cannot be set")
    val mapper = new ObjectMapper()
    val json = mapper.readTree(Files.readAllBytes(config)).asInstanceOf[ObjectNode]
    preprocessing.foreach { case (key, value) => json.set[ObjectNode](key, mapper.readTree(value)) }
    val adapted =
      Files.createTempDirectory(Paths.get(SparkFiles.getRootDirectory()), "uffizi-adapted-")
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
