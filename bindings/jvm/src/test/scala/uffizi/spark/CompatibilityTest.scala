package uffizi.spark

import java.nio.file.{Files, Path, Paths}

import com.fasterxml.jackson.databind.ObjectMapper
import org.apache.spark.ml.{Pipeline, PipelineModel, PipelineStage}
import org.apache.spark.sql.functions._
import org.apache.spark.sql.{DataFrame, Row}
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** What code for Spark NLP finds here: its forms, its helpers, its saved pipelines. */
class CompatibilityTest {
  private val spark = SparkFixture.spark
  import spark.implicits._
  private val folder = SparkFixture.pictures(2)
  private def images = spark.read.format("image").load(folder.toString).orderBy("image.origin")
  private def florence = Florence2Transformer.load(SparkFixture.model)
  private val mapper = new ObjectMapper()

  private def annotations(text: String, stage: Florence2Transformer): Seq[Annotation] =
    Annotation.collect(
      stage.transform(new ImageAssembler().transform(images.limit(1).withColumn("text", lit(text)))),
      "answer").head.toSeq

  private def raw(annotation: Annotation) = mapper.readTree(annotation.metadata("florence2_postprocessed_raw"))

  @Test def forms(): Unit = {
    val stage = florence.setCompatibility("spark-nlp")
    val ours = annotations("<OD>", florence).head
    val theirs = annotations("<OD>", stage).head
    val (boxes, list) = (raw(ours).path("bboxes"), raw(theirs))
    assertTrue(list.size > 0 && list.size == boxes.size, list.toString)
    assertEquals(boxes.path(0).path(1).asDouble, list.path(0).path("bbox").path(1).asDouble, 1e-3)
    assertEquals(raw(ours).path("labels").path(0).asText, list.path(0).path("catName").asText)
    assertTrue(theirs.metadata("florence2_postprocessed").startsWith("BBoxesResult(List(BBox(List("),
      theirs.metadata("florence2_postprocessed"))
    assertEquals(ours.result, theirs.result)
    assertEquals(ours.metadata("florence2_image"), theirs.metadata("florence2_image"))

    val caption = annotations("<CAPTION>", stage).head
    assertEquals(caption.result, raw(caption).path("text").asText)
    assertEquals(s"PureTextResult(${caption.result})", caption.metadata("florence2_postprocessed"))
    val phrases = raw(annotations("<CAPTION_TO_PHRASE_GROUNDING>a red book and a stop sign", stage).head)
    for (i <- 0 until phrases.size) assertEquals(4, phrases.path(i).path("bbox").path(0).size)
    val words = raw(annotations("<OCR_WITH_REGION>", stage).head)
    for (i <- 0 until words.size) assertEquals(8, words.path(i).path("quadBox").size)
    val outline = raw(annotations("<REFERRING_EXPRESSION_SEGMENTATION>the book", stage).head)
    for (i <- 0 until outline.size) assertTrue(outline.path(i).path("polygons").path(0).size >= 6)
  }

  @Test def sessionsSetting(): Unit = {
    spark.conf.set(Florence2Transformer.CompatibilitySetting, "spark-nlp")
    try {
      assertTrue(raw(annotations("<OD>", florence).head).isArray)
      assertTrue(raw(annotations("<OD>", florence.setCompatibility("none")).head).isObject)
    } finally spark.conf.unset(Florence2Transformer.CompatibilitySetting)
  }

  @Test def badPicturesAndNoText(): Unit = {
    val stage = florence.setCompatibility("spark-nlp")
    val bad = images.limit(1).withColumn("image", col("image").withField("data", lit(Array.empty[Byte])))
    val answered = stage.transform(new ImageAssembler().transform(bad.withColumn("text", lit("<OD>"))))
    assertEquals(Seq.empty, answered.select("answer").head().getSeq[Row](0))
    val empty = annotations("", stage).head
    assertEquals("<s>Locate the objects with category name in the image.</s>", empty.metadata("task"))
    assertTrue(raw(empty).has("text"))
    val task = annotations("", florence.setTask("<CAPTION>")).head
    assertEquals(annotations("<CAPTION>", florence).head.result, task.result)
  }

  @Test def lightPipeline(): Unit = {
    val data = images.withColumn("text", lit("<CAPTION>"))
    val finisher = new Finisher().setInputCols("answer")
    val model = new Pipeline().setStages(Array[PipelineStage](new ImageAssembler(), florence)).fit(data)
    val files = Seq("00000.png", "00001.png").map(folder.resolve(_).toString).toArray
    val expected = Annotation.collect(model.transform(data), "answer").map(_.toSeq).toSeq
    val light = new LightPipeline(model)
    val full = light.fullAnnotateImages(files, Array("<CAPTION>", "<CAPTION>"))
    assertEquals(expected, full.map(_("answer")).toSeq)
    assertEquals(files.head, full.head("image_assembler").head.asInstanceOf[AnnotationImage].origin)
    assertEquals(expected.head.map(_.result), light.annotate(files.head, "<CAPTION>")("answer"))
    assertThrows(classOf[java.io.FileNotFoundException], () => { light.annotate("/no/such.png"); () })
    val finished = new Pipeline().setStages(Array[PipelineStage](new ImageAssembler(), florence, finisher))
      .fit(data)
    assertEquals(Set("answer"), new LightPipeline(finished).fullAnnotateImage(files.head).keySet)
    val lazily = new Pipeline().setStages(Array[PipelineStage](new ImageAssembler(), florence.setLazyAnnotator(true)))
      .fit(data)
    assertEquals(Set("image_assembler"), new LightPipeline(lazily).fullAnnotateImage(files.head).keySet)
  }

  @Test def finisher(): Unit = {
    val data = images.withColumn("text", typedLit(Seq("<CAPTION>", "<OD>")))
    val answered = florence.transform(new ImageAssembler().transform(data))
    val plain = answered.select("answer.result").collect().map(_.getSeq[String](0)).toSeq
    def finish(stage: Finisher): DataFrame = {
      val frame = stage.setInputCols("answer").transform(answered)
      assertEquals(stage.transformSchema(answered.schema).map(f => (f.name, f.dataType.simpleString)),
        frame.schema.map(f => (f.name, f.dataType.simpleString)))
      frame
    }
    val arrays = finish(new Finisher())
    assertEquals(Seq("image", "text", "finished_answer"), arrays.columns.toSeq)
    assertEquals(plain, arrays.select("finished_answer").collect().map(_.getSeq[String](0)).toSeq)
    val joined = finish(new Finisher().setOutputAsArray(false).setOutputCols("out"))
    assertEquals(plain.map(_.mkString("@")), joined.select("out").as[String].collect().toSeq)
    val described = finish(new Finisher().setIncludeMetadata(true).setCleanAnnotations(false))
    assertTrue(described.columns.contains("answer"))
    val entries = described.select("finished_answer_metadata").head().getSeq[Row](0)
    assertTrue(entries.exists(e => e.getString(0) == "task" && e.getString(1) == "<OD>"))
    val words = finish(new Finisher().setIncludeMetadata(true).setOutputAsArray(false))
    assertTrue(words.select("finished_answer").head().getString(0).contains("#result->"))
    val error = assertThrows(classOf[IllegalArgumentException],
      () => { new Finisher().setInputCols("image").transform(answered); () })
    assertTrue(error.getMessage.contains("holds no annotations"), error.getMessage)
  }

  /** A stage that Spark NLP wrote, within a pipeline as Spark writes them. */
  @Test def pipelinesOfSparkNlp(): Unit = {
    val artifact = SparkFixture.source.resolve("tests/data/models/florence_2_tiny_int4.zip")
    val saved = Files.createTempDirectory("uffizi-sparknlp-")
    def write(file: Path, text: String): Unit = {
      Files.createDirectories(file.getParent)
      Files.write(file, text.getBytes("UTF-8"))
    }
    write(saved.resolve("metadata/part-00000"),
      """{"class":"org.apache.spark.ml.PipelineModel","timestamp":1,"sparkVersion":"3.5.1",""" +
        """"uid":"RecursivePipeline_1","paramMap":{"stageUids":["ImageAssembler_1","Florence2TRANSFORMER_1"]},"defaultParamMap":{}}""")
    write(saved.resolve("stages/0_ImageAssembler_1/metadata/part-00000"),
      """{"class":"com.johnsnowlabs.nlp.ImageAssembler","timestamp":1,"sparkVersion":"3.5.1","uid":"ImageAssembler_1",""" +
        """"paramMap":{"inputCol":"image","outputCol":"image_assembler"},"defaultParamMap":{"outputCol":"image_assembler"}}""")
    val stage = saved.resolve("stages/1_Florence2TRANSFORMER_1")
    val zip = new java.util.zip.ZipFile(artifact.toFile)
    try zip.stream().filter(entry => !entry.isDirectory).forEach { entry =>
      val target = stage.resolve(entry.getName)
      Files.createDirectories(target.getParent)
      Files.copy(zip.getInputStream(entry), target)
      ()
    } finally zip.close()
    val out = Files.createTempDirectory("uffizi-converted-").resolve("pipeline").toString
    SparkNlp.convert(saved.toString, out)
    val loaded = PipelineModel.load(out)
    assertEquals("RecursivePipeline_1", loaded.uid)
    val converted = loaded.stages(1).asInstanceOf[Florence2Transformer]
    assertEquals(384, converted.getSize)
    assertFalse(converted.isSet(converted.imageMean), "the model says so itself")
    val data = images.withColumn("text", lit("<CAPTION>"))
    val direct = Florence2Transformer.load(artifact.toString)
    val expected = direct.transform(new ImageAssembler().transform(data)).select("answer.result").collect()
    assertEquals(expected.toSeq, loaded.transform(data).select("answer.result").collect().toSeq)
    write(saved.resolve("stages/0_ImageAssembler_1/metadata/part-00000"),
      """{"class":"com.johnsnowlabs.nlp.DocumentAssembler","uid":"x","paramMap":{}}""")
    val error = assertThrows(classOf[IllegalArgumentException],
      () => { SparkNlp.convert(saved.toString, out + "2"); () })
    assertTrue(error.getMessage.contains("DocumentAssembler"), error.getMessage)
  }

  @Test def members(): Unit = {
    val stage = florence.setDoNormalize(false).setDoResize(true).setFeatureExtractorType("x")
      .setNReturnSequences(1).setLazyAnnotator(false)
    assertEquals("uffizi", stage.getEngine)
    assertEquals(None, stage.getRandomSeed)
    assertEquals(Some(5L), florence.setRandomSeed(5).getRandomSeed)
    assertEquals(Seq("image"), stage.inputAnnotatorTypes.toSeq)
    assertEquals("document", stage.outputAnnotatorType)
    assertNotEquals(raw(annotations("<OD>", florence).head), raw(annotations("<OD>", stage).head))
    assertThrows(classOf[IllegalArgumentException], () => { stage.setNReturnSequences(2); () })
    assertThrows(classOf[IllegalArgumentException],
      () => { annotations("<CAPTION>", florence.setDoResize(false)); () })
    val bytes = ImageAssembler.loadImagesAsBytes(spark, folder.toString).withColumn("text", lit("<CAPTION>"))
    assertEquals(2, florence.transform(new ImageAssembler().transform(bytes)).where("answer[0].result is not null").count())
  }
}
