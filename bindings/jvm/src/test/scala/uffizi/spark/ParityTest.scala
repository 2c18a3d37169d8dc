package uffizi.spark

import java.nio.{ByteBuffer, ByteOrder}
import java.nio.file.{Files, Path}

import org.apache.spark.sql.Row
import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** What the stage does that the command line does, too. */
class ParityTest {
  private val spark = SparkFixture.spark
  private lazy val images = spark.read.format("image").load(SparkFixture.pictures(2).toString).cache()
  private def florence = Florence2Transformer.load(SparkFixture.model)

  private def answers(stage: Florence2Transformer, texts: String*): Seq[Row] =
    stage.setStructCol("found").transform(new ImageAssembler().transform(
      images.withColumn("text", typedLit(texts)))).select("answer", "found").collect().toSeq

  private def results(row: Row): Seq[String] =
    row.getSeq[Row](0).map(_.getAs[String]("result")).toSeq

  private def tasks(row: Row): Seq[String] = row.getSeq[Row](0)
    .map(_.getAs[scala.collection.Map[String, String]]("metadata")("task")).toSeq

  /** An adapter of a layer of the small model, strong enough to be heard. */
  private def adapter(): Path = {
    val folder = Files.createTempDirectory("uffizi-lora-")
    Files.write(folder.resolve("adapter_config.json"),
      """{"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["fc1"], "bias": "none"}"""
        .getBytes("UTF-8"))
    val module = "base_model.model.model.language_model.encoder.layers.0.fc1"
    val hidden = 384 // of fc1 in the included model
    val (a, b) = (2 * 192, hidden * 2)
    val header = s"""{"$module.lora_A.weight":{"dtype":"F32","shape":[2,192],"data_offsets":[0,${4 * a}]},""" +
      s""""$module.lora_B.weight":{"dtype":"F32","shape":[$hidden,2],"data_offsets":[${4 * a},${4 * (a + b)}]}}"""
    val bytes = ByteBuffer.allocate(8 + header.length + 4 * (a + b)).order(ByteOrder.LITTLE_ENDIAN)
    bytes.putLong(header.length.toLong).put(header.getBytes("UTF-8"))
    val random = new scala.util.Random(1)
    for (_ <- 0 until a + b) bytes.putFloat(random.nextGaussian().toFloat)
    Files.write(folder.resolve("adapter_model.safetensors"), bytes.array)
    folder
  }

  @Test def adapters(): Unit = {
    val folder = adapter()
    val plain = answers(florence, "<DETAILED_CAPTION>").map(results)
    assertNotEquals(plain, answers(florence.setLora(Array(folder.toString)), "<DETAILED_CAPTION>").map(results))
    assertEquals(plain, answers(florence.setLora(Array(s"$folder=0")), "<DETAILED_CAPTION>").map(results))
    // By its content, on a file system that only Hadoop knows.
    spark.conf.set("fs.viewfs.mounttable.lora.link./adapters", folder.getParent.toUri.toString)
    try {
      val engines = SharedEngines.count
      val far = florence.setLora(Array(s"viewfs://lora/adapters/${folder.getFileName}=0"))
      assertEquals(plain, answers(far, "<DETAILED_CAPTION>").map(results))
      assertEquals(engines, SharedEngines.count)
    } finally spark.conf.unset("fs.viewfs.mounttable.lora.link./adapters")
    assertThrows(classOf[Exception], () => { answers(florence.setLora(Array("/no/such/adapter")), "<OD>"); () })
  }

  @Test def cascades(): Unit = {
    val stage = florence.setThenTasks(Array("<REGION_TO_CATEGORY>"))
    for (row <- answers(stage, "<OD>", "<CAPTION>")) {
      val boxes = row.getSeq[Row](1).head.getAs[scala.collection.Seq[scala.collection.Seq[Float]]]("boxes")
      assertEquals(2 + boxes.size, results(row).size)
      assertEquals(Seq("<OD>", "<CAPTION>"), tasks(row).take(2))
      assertEquals("<REGION_TO_CATEGORY>" + boxes.head.mkString(","), tasks(row)(2))
      assertTrue(results(row).forall(_ != null), row.toString)
    }
    val grounded = answers(florence.setThenTasks(Array("<CAPTION_TO_PHRASE_GROUNDING>")), "<CAPTION>")
    for (row <- grounded) {
      assertEquals("<CAPTION_TO_PHRASE_GROUNDING>" + results(row).head, tasks(row)(1))
    }
    val twice = florence.setThenTasks(Array("<OPEN_VOCABULARY_DETECTION>", "<REGION_TO_DESCRIPTION>"))
    assertTrue(answers(twice, "<OD>").forall(row => tasks(row)(1).startsWith("<OPEN_VOCABULARY_DETECTION>")))
    assertThrows(classOf[IllegalArgumentException], () => { florence.setThenTasks(Array("<OD>")); () })
  }

  /** Four numbers are pixels. */
  @Test def regionsInPixels(): Unit = {
    val row = answers(florence, "<REGION_TO_CATEGORY>8,8,42,42", "<REGION_TO_CATEGORY><loc_83><loc_83><loc_437><loc_437>").head
    assertEquals(results(row)(0), results(row)(1))
    assertNotNull(results(row)(0))
  }

  @Test def leastScore(): Unit = {
    def scores(stage: Florence2Transformer) = answers(stage, "<OD>").flatMap(
      _.getSeq[Row](1).head.getAs[scala.collection.Seq[Float]]("scores"))
    val all = scores(florence)
    val middle = (all.min + all.max) / 2.0
    assertEquals(all.filter(_ >= middle), scores(florence.setMinScore(middle)))
    assertTrue(scores(florence.setMinScore(1.0)).isEmpty)
  }

  @Test def wantedLabels(): Unit = {
    def labels(stage: Florence2Transformer) = answers(stage, "<OD>").flatMap(
      _.getSeq[Row](1).head.getAs[scala.collection.Seq[String]]("labels"))
    val all = labels(florence)
    val one = all.head
    assertTrue(all.exists(_ != one), all.toString)
    assertEquals(all.filter(_ == one), labels(florence.setLabels(Array("no, such thing", one.toUpperCase))))
  }

  @Test def promptsInWordsReadAsATask(): Unit = {
    val words = "Locate the objects with category name in the image."
    def found(stage: Florence2Transformer, text: String) = answers(stage, text).map(
      _.getSeq[Row](1).head.getAs[scala.collection.Seq[Any]]("boxes"))
    assertTrue(found(florence, words).forall(_.isEmpty))
    val read = florence.setAnswerAs("od")
    assertEquals(found(florence, "<OD>"), found(read, words))
    assertTrue(found(read, words).forall(_.nonEmpty))
    // Tasks keep their own form.
    assertTrue(answers(read, "<CAPTION>").forall(_.getSeq[Row](1).head.getAs[String]("text") != null))
  }

  /** Two pictures side by side; half of them is a tile. */
  @Test def tiles(): Unit = {
    import java.awt.image.BufferedImage
    val files = Files.list(SparkFixture.pictures(2)).toArray.toSeq.map(_.asInstanceOf[Path])
    val images = files.map(file => javax.imageio.ImageIO.read(file.toFile))
    val (width, height) = (images.map(_.getWidth).max, images.map(_.getHeight).max)
    val pair = new BufferedImage(2 * width, height, BufferedImage.TYPE_INT_RGB)
    for ((image, i) <- images.zipWithIndex) pair.createGraphics().drawImage(image, i * width, 0, null)
    val folder = Files.createTempDirectory("uffizi-pictures-")
    javax.imageio.ImageIO.write(pair, "png", folder.resolve("pair.png").toFile)
    val frame = new ImageAssembler().setInputCol("content")
      .transform(spark.read.format("binaryFile").load(folder.toString))
    def boxes(stage: Florence2Transformer): Seq[Seq[Float]] =
      stage.setStructCol("found").transform(frame).select("found").head.getSeq[Row](0).head
        .getAs[scala.collection.Seq[scala.collection.Seq[Float]]]("boxes").map(_.toSeq).toSeq
    val engine = uffizi.Engine.load(java.nio.file.Paths.get(SparkFixture.model))
    val session = engine.newSession()
    val picture = uffizi.Picture.decode(Files.readAllBytes(folder.resolve("pair.png")), "pair.png")
    val encoded = session.encode(picture, "2x1")
    val answer = session.run(java.util.Collections.singletonList(new uffizi.Question(encoded, "<OD>")),
      java.util.Map.of("no_repeat_ngram_size", "3", "max_length", "200", "num_beams", "1",
        "min_score", "0")).get(0)
    val expected = answer.boxes().toSeq.map(_.toSeq)
    assertNotEquals(expected, boxes(florence))
    assertEquals(expected, boxes(florence.setTiles("2x1").setMinScore(0)))
    for (wrong <- Seq("x", "0x2", "-1", "big")) {
      assertThrows(classOf[IllegalArgumentException], () => { florence.setTiles(wrong); () })
    }
  }

  /** How it ranks beams is seen in tests/generate; here, that it gets there. */
  @Test def lengthPenalty(): Unit = {
    assertFalse(florence.generationOptions.contains("length_penalty"))
    val stage = florence.setBeamSize(4).setLengthPenalty(2)
    assertEquals("2.0", stage.generationOptions("length_penalty"))
    assertTrue(answers(stage, "<CAPTION>").map(results).forall(_.head != null))
  }
}
