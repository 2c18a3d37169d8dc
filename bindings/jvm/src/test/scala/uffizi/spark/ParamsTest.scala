package uffizi.spark

import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.Row
import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** Every parameter: its default, and that it does what it says. */
class ParamsTest {
  private val spark = SparkFixture.spark
  private lazy val pictures: DataFrame = new ImageAssembler().transform(
    spark.read.format("image").load(SparkFixture.pictures(2).toString)
      .withColumn("text", lit("<DETAILED_CAPTION>"))).cache()

  private def florence = Florence2Transformer.load(SparkFixture.model)

  private def answers(stage: Florence2Transformer): Seq[Row] =
    stage.transform(pictures).select("answer").collect().toSeq.map(_.getSeq[Row](0).head)

  private def texts(stage: Florence2Transformer): Seq[String] =
    answers(stage).map(_.getAs[String]("result"))

  private def errors(stage: Florence2Transformer): Seq[String] =
    answers(stage).map(_.getAs[scala.collection.Map[String, String]]("metadata")("error"))

  private lazy val plain = texts(florence)

  @Test def defaultsAreThoseOfSparkNlp(): Unit = {
    val stage = florence
    assertEquals(10, stage.getMinOutputLength)
    assertEquals(200, stage.getMaxOutputLength)
    assertFalse(stage.getDoSample)
    assertEquals(1.0, stage.getTemperature)
    assertEquals(50, stage.getTopK)
    assertEquals(1.0, stage.getTopP)
    assertEquals(1.0, stage.getRepetitionPenalty)
    assertEquals(3, stage.getNoRepeatNgramSize)
    assertEquals(0, stage.getIgnoreTokenIds.length)
    assertEquals(1, stage.getBatchSize)
    assertEquals(1, stage.getBeamSize)
    assertEquals(1024, stage.getMaxInputLength)
    assertEquals(Seq(2), stage.getStopTokenIds.toSeq)
    // These the model's own files give.
    val json = new com.fasterxml.jackson.databind.ObjectMapper().readTree(
      SparkFixture.source.resolve("models/uffizi-tiny/preprocessor_config.json").toFile)
    assertEquals(json.at("/size/height").asInt, stage.getSize)
    assertEquals(json.at("/image_mean/0").asDouble, stage.getImageMean.head)
    assertEquals(json.at("/image_std/2").asDouble, stage.getImageStd.last)
    assertEquals(json.at("/resample").asInt, stage.getResample)
    assertEquals("florence_2_base_ft_int4", Florence2Transformer.DefaultModel)
  }

  @Test def maxOutputLength(): Unit = {
    val short = answers(florence.setMaxOutputLength(5))
    for ((answer, full) <- short.zip(plain)) {
      val text = answer.getAs[String]("result")
      assertTrue(text.length < full.length && full.startsWith(text), s"$text / $full")
      assertEquals("true",
        answer.getAs[scala.collection.Map[String, String]]("metadata")("truncated"))
    }
  }

  @Test def minOutputLength(): Unit = {
    val long = texts(florence.setMinOutputLength(120).setNoRepeatNgramSize(0))
    for ((text, full) <- long.zip(plain)) assertTrue(text.length > full.length, text)
  }

  @Test def maxInputLength(): Unit =
    errors(florence.setMaxInputLength(3)).foreach(e => assertTrue(e.contains("allows 3"), e))

  @Test def stopTokenIds(): Unit = {
    // Any token of the answer will do: with every token a stop token the first one ends it.
    val stops = (0 until 2000).toArray.filter(_ != 0)
    for (text <- texts(florence.setStopTokenIds(stops))) {
      assertTrue(text.length < plain.head.length / 3, text)
    }
  }

  @Test def ignoreTokenIds(): Unit = {
    // The answers begin with one of a few words; forbid all tokens below 1000 but the special ones.
    val without = texts(florence.setIgnoreTokenIds((4 until 1000).toArray))
    assertNotEquals(plain, without)
  }

  @Test def noRepeatNgramSize(): Unit =
    assertNotEquals(plain, texts(florence.setNoRepeatNgramSize(1)))

  @Test def repetitionPenalty(): Unit =
    assertNotEquals(plain, texts(florence.setRepetitionPenalty(20)))

  @Test def beamSize(): Unit = {
    // Beams are those of the engine: the answers equal what it gives when it is asked directly.
    val picture = uffizi.Picture.fromPixels(
      pictures.select("image_assembler").head().getSeq[Row](0).head.getAs[Array[Byte]]("result"),
      96, 96, uffizi.Picture.Format.BGR)
    val engine = uffizi.Engine.load(java.nio.file.Paths.get(SparkFixture.model))
    val session = engine.newSession()
    val options = new java.util.HashMap[String, String]()
    for ((k, v) <- florence.setBeamSize(4).generationOptions) options.put(k, v)
    assertEquals("4", options.get("num_beams"))
    val question = new uffizi.Question(session.encode(picture), "<DETAILED_CAPTION>")
    val direct = session.run(java.util.Collections.singletonList(question), options).get(0)
    assertEquals(direct.answerText, texts(florence.setBeamSize(4)).head)
  }

  @Test def samplingAndItsParameters(): Unit = {
    def sampled = florence.setDoSample(true).setTemperature(3.0)
    val one = texts(sampled.setRandomSeed(1))
    assertNotEquals(plain, one)
    assertEquals(one, texts(sampled.setRandomSeed(1)), "the same seed, the same draws")
    assertNotEquals(one, texts(sampled.setRandomSeed(2)))
    // What leaves the likeliest token alone is greedy again.
    assertEquals(plain, texts(sampled.setTopK(1)))
    assertEquals(plain, texts(sampled.setTopP(1e-6)))
    assertEquals(plain, texts(sampled.setTemperature(1e-3)))
  }

  @Test def batchSizeDoesNotChangeAnswers(): Unit =
    assertEquals(plain, texts(florence.setBatchSize(7)))

  @Test def preprocessing(): Unit = {
    assertEquals(plain, texts(florence.setResample(florence.getResample).setSize(florence.getSize)))
    assertNotEquals(plain, texts(florence.setImageMean(Array(2.0, 2.0, 2.0))))
    assertNotEquals(plain, texts(florence.setImageStd(Array(5.0, 0.05, 0.05))))
    val small = texts(florence.setSize(florence.getSize / 2))
    assertTrue(small.forall(_ != null))
    assertNotEquals(plain, small)
    // How a picture is resized hardly changes its caption, but does change the scores of boxes.
    assertNotEquals(scores(florence), scores(florence.setResample(0)))
  }

  @Test def compute(): Unit = {
    assertEquals(texts(florence.setCompute("f32")), plain)
    assertNotEquals(scores(florence), scores(florence.setCompute("int4")))
  }

  private lazy val detection = pictures.withColumn("image_assembler",
    transform(col("image_assembler"), _.withField("text", lit("<OD>"))))

  private def scores(stage: Florence2Transformer): Seq[Row] =
    stage.setStructCol("found").transform(detection).select("found.scores").collect().toSeq

  @Test def annotatedImage(): Unit = {
    def kinds(format: String) = florence.setAnnotatedImage(format).transform(detection)
      .select("answer.metadata").collect().toSeq
      .map(_.getSeq[scala.collection.Map[String, String]](0).head.get("florence2_image"))
    assertTrue(kinds("png").forall(_.get.startsWith("iVBOR")))
    assertTrue(kinds("jpeg").forall(_.get.startsWith("/9j/")))
    assertTrue(kinds("none").forall(_.isEmpty))
  }
}
