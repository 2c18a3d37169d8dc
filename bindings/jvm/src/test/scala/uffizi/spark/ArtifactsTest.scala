package uffizi.spark

import java.nio.file.{Files, Path}
import java.util.zip.ZipFile

import org.apache.spark.ml.{Pipeline, PipelineModel, PipelineStage}
import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

import uffizi.Engine

/** Models as Spark NLP and OpenVINO store them: a small one that Spark NLP itself saved. Its weights
  * are random, so only that all ways to it give the same is of interest.
  */
class ArtifactsTest {
  private val spark = SparkFixture.spark
  private val artifact = SparkFixture.source.resolve("tests/data/models/florence_2_tiny_int4.zip")
  private lazy val data = new ImageAssembler().transform(
    spark.read.format("image").load(SparkFixture.pictures(1).toString)
      .withColumn("text", lit("<CAPTION>"))).cache()

  private def answer(stage: Florence2Transformer): String =
    stage.setMaxOutputLength(30).transform(data).select("answer.result").head()
      .getSeq[String](0).head

  private lazy val expected = answerOf(artifact)

  /** What the engine itself says. */
  private def answerOf(artifact: Path): String = {
    val session = Engine.load(artifact).newSession()
    val picture = uffizi.Picture.fromPixels(
      data.select(col("image_assembler")(0)("result")).head().getAs[Array[Byte]](0),
      96, 96, uffizi.Picture.Format.BGR)
    val options = new java.util.HashMap[String, String]()
    new Florence2Transformer().setMaxOutputLength(30).generationOptions
      .foreach { case (name, value) => options.put(name, value) }
    val question = new uffizi.Question(session.encode(picture), "<CAPTION>")
    session.run(java.util.Collections.singletonList(question), options).get(0).answerText
  }

  private def unzip(zip: Path, folder: Path): Path = {
    val file = new ZipFile(zip.toFile)
    try file.stream().filter(entry => !entry.isDirectory).forEach { entry =>
      val target = folder.resolve(entry.getName)
      Files.createDirectories(target.getParent)
      Files.copy(file.getInputStream(entry), target)
      ()
    } finally file.close()
    folder
  }

  @Test def zipOfSparkNlp(): Unit = {
    val stage = Florence2Transformer.loadSavedModel(artifact.toString, spark)
    assertFalse(expected.isEmpty)
    assertEquals(expected, answer(stage).trim)
    assertEquals(384, stage.getSize, "the size is in the artifact's metadata")
    assertNotEquals(expected, answer(stage.setImageMean(Array(3.0, 3.0, 3.0))).trim)
  }

  @Test def artifactOfMicrosoftsCode(): Unit = {
    val zip = SparkFixture.source.resolve("tests/data/models/microsoft/florence_2_tiny_int4.zip")
    val expected = answerOf(zip)
    assertFalse(expected.isEmpty)
    assertEquals(expected, answer(Florence2Transformer.load(zip.toString)).trim)
    val place = Files.createTempDirectory("uffizi-remote-")
    Files.copy(zip, place.resolve("florence_2_large_int4_en_5.5.1_3.0_1748317523815.zip"))
    val named = Florence2Transformer.pretrained("florence_2_large_int4", "en", place.toString)
    assertEquals(expected, answer(named).trim)
  }

  @Test def folderOfSparkNlp(): Unit = {
    val saved = unzip(artifact, Files.createTempDirectory("uffizi-größe-"))
    assertEquals(expected, answer(Florence2Transformer.load(saved.toString)).trim)
  }

  @Test def folderOfGraphs(): Unit = {
    val saved = unzip(artifact, Files.createTempDirectory("uffizi-saved-"))
    val graphs = Files.createTempDirectory("uffizi-ir-")
    for (name <- Seq("image_embedding", "text_embedding", "merger_model", "encoder", "decoder")) {
      unzip(saved.resolve(s"$name.xml"), graphs)
    }
    val assets = Files.createDirectory(graphs.resolve("assets"))
    val imported = Engine.resolve(artifact.toString)
    for (name <- Seq("config.json", "preprocessor_config.json", "tokenizer.json")) {
      Files.copy(imported.resolve(name), assets.resolve(name))
    }
    assertEquals(expected,
      answer(Florence2Transformer.loadSavedModel(graphs.toString, spark, useOpenvino = true)).trim)
  }

  @Test def pretrainedFindsZipsOfSparkNlp(): Unit = {
    val place = Files.createTempDirectory("uffizi-remote-")
    Files.copy(artifact, place.resolve("florence_2_tiny_int4_en_5.5.1_3.0_1733140800000.zip"))
    val name = "florence_2_tiny_int4"
    val local = Florence2Transformer.pretrained(name, "en", place.toString)
    assertEquals(expected, answer(local).trim)
    // The same on a file system that only Hadoop knows; what is fitted saves with the model.
    spark.sparkContext.hadoopConfiguration
      .set("fs.viewfs.mounttable.remote.link./models", place.toUri.toString)
    val far = Florence2Transformer.pretrained(name, "en", "viewfs://remote/models")
    assertEquals(expected, answer(far).trim)
    val saved = Files.createTempDirectory("uffizi-saved-").resolve("pipeline").toString
    new Pipeline().setStages(Array[PipelineStage](far)).fit(data).save(saved)
    val loaded = PipelineModel.load(saved).stages(0).asInstanceOf[Florence2Transformer]
    assertEquals(expected, answer(loaded).trim)
    assertTrue(loaded.modelFolder.get.contains(saved))
  }
}
