package uffizi.spark

import java.nio.charset.StandardCharsets
import java.nio.{ByteBuffer, ByteOrder}
import java.util.concurrent.ConcurrentHashMap

import scala.collection.mutable

import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import org.apache.hadoop.conf.Configuration

/** Checks whether a folder contains a complete model, from its small files and the headers of the
  * large ones. This runs on the driver, before tasks start. Executors check everything else when
  * they load the model.
  */
private[spark] object ModelCheck {
  private val MaxHeader = 100L << 20 // bytes, as in the safetensors library
  private val MaxJson = 64L << 20
  private val checked = ConcurrentHashMap.newKeySet[String]()

  /** Throws IllegalArgumentException that names the file and what is wrong with it. */
  def apply(model: ModelFiles, conf: Configuration): Unit =
    if (!checked.contains(model.id)) {
      refusePipeline(model)
      new ModelCheck(model, conf).run()
      checked.add(model.id)
    }

  /** A saved pipeline is not a model, although it contains one. */
  def refusePipeline(model: ModelFiles): Unit =
    if (model.names.exists(_.startsWith("stages/")) && model.names.exists(_.startsWith("metadata/"))) {
      throw new IllegalArgumentException(
        s"${model.uri} is a saved pipeline, not a model: load it with PipelineModel.load")
    }
}

private class ModelCheck(model: ModelFiles, conf: Configuration) {
  import ModelCheck._

  private val mapper = new ObjectMapper()
  private val sizes = model.names.zip(model.sizes).toMap

  def run(): Unit = {
    val config = json("config.json").getOrElse(fail("config.json", "is not there: no model's folder"))
    val kind = config.path("model_type").asText
    if (kind != "florence2") {
      fail("config.json", if (kind.isEmpty) "names no model_type" else s"tells of a $kind model, not of florence2")
    }
    for (name <- Seq("preprocessor_config.json", "generation_config.json", "tokenizer_config.json")) json(name)
    if (json("tokenizer.json").isEmpty && !Seq("vocab.json", "merges.txt").forall(sizes.contains)) {
      fail("tokenizer.json", "is not there, nor are vocab.json and merges.txt")
    }
    checkWeights()
  }

  private def checkWeights(): Unit = {
    val weights = model.names.filter(name => name.endsWith(".safetensors") && !name.contains("/"))
    if (weights.isEmpty) fail("model.safetensors", "is not there, nor any other *.safetensors")
    val tensors = mutable.Map.empty[String, String]
    for (file <- weights; tensor <- tensorsOf(file)) tensors(tensor) = file
    for (index <- json("model.safetensors.index.json")) {
      val wanted = index.path("weight_map").fields()
      while (wanted.hasNext) {
        val entry = wanted.next()
        val file = entry.getValue.asText
        if (!sizes.contains(file)) fail(file, "is not there, but model.safetensors.index.json names it")
        if (!tensors.get(entry.getKey).contains(file)) fail(file, s"lacks the tensor ${entry.getKey}")
      }
    }
  }

  /** The tensors in a file's header, all of which must be inside the file. */
  private def tensorsOf(file: String): Seq[String] = {
    val size = sizes(file)
    val path = model.path(file)
    val in = path.getFileSystem(conf).open(path)
    try {
      if (size < 8) fail(file, s"has $size bytes: it was cut")
      val length = ByteBuffer.wrap(readFully(in, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong
      if (length < 2 || length > MaxHeader) fail(file, "is no safetensors file, or a pointer of Git LFS")
      if (8 + length > size) fail(file, s"has $size bytes and ends within its header: it was cut")
      val header = parse(file, readFully(in, length.toInt))
      val names = mutable.Buffer.empty[String]
      val entries = header.fields()
      while (entries.hasNext) {
        val entry = entries.next()
        if (entry.getKey != "__metadata__") {
          val end = entry.getValue.path("data_offsets").path(1).asLong(-1)
          if (end < 0) fail(file, s"has no data_offsets of ${entry.getKey}")
          if (8 + length + end > size) {
            fail(file, s"has $size bytes, but ${entry.getKey} ends at ${8 + length + end}: it was cut")
          }
          names += entry.getKey
        }
      }
      if (names.isEmpty) fail(file, "holds no tensor")
      names.toSeq
    } finally in.close()
  }

  private def readFully(in: org.apache.hadoop.fs.FSDataInputStream, count: Int): Array[Byte] = {
    val bytes = new Array[Byte](count)
    in.readFully(bytes)
    bytes
  }

  private def json(name: String): Option[JsonNode] = sizes.get(name).map { size =>
    if (size == 0) fail(name, "is empty")
    if (size > MaxJson) fail(name, s"has $size bytes, too many for what it should be")
    val path = model.path(name)
    val in = path.getFileSystem(conf).open(path)
    try parse(name, readFully(in, size.toInt))
    finally in.close()
  }

  private def parse(file: String, bytes: Array[Byte]): JsonNode =
    try {
      val node = mapper.readTree(new String(bytes, StandardCharsets.UTF_8))
      if (!node.isObject) fail(file, "is no JSON object")
      node
    } catch {
      case error: JsonProcessingException => fail(file, s"is broken JSON (${error.getOriginalMessage})")
    }

  private def fail(file: String, what: String): Nothing =
    throw new IllegalArgumentException(s"${model.path(file)} $what")
}
