package uffizi.spark

import java.nio.file.{Files, Path}
import java.util.Base64

import org.apache.spark.ml.{Pipeline, PipelineModel, PipelineStage}
import org.apache.spark.sql.functions._
import org.apache.spark.sql.types._
import org.apache.spark.sql.{DataFrame, Row}
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

import uffizi.Picture

/** Columns, rows and parameters of the stages. */
class StagesTest {
  private val spark = SparkFixture.spark
  import spark.implicits._

  private lazy val folder: Path = SparkFixture.pictures(3)
  private lazy val images: DataFrame = spark.read.format("image").load(folder.toString)

  private def assembler = new ImageAssembler()
  private def florence = Florence2Transformer.load(SparkFixture.model)

  private def answers(data: DataFrame, stage: Florence2Transformer = florence): DataFrame =
    new Pipeline().setStages(Array[PipelineStage](assembler, stage)).fit(data).transform(data)

  private def results(frame: DataFrame): Seq[Seq[String]] =
    frame.select("answer.result").collect().toSeq.map(_.getSeq[String](0))

  private def only(frame: DataFrame): Row =
    frame.select(explode(col("answer"))).head().getStruct(0)

  private def metadata(annotation: Row): Map[String, String] =
    annotation.getAs[scala.collection.Map[String, String]]("metadata").toMap

  @Test def schemasAreThoseOfSparkNlp(): Unit = {
    val data = images.withColumn("text", lit("<OD>"))
    val result = answers(data)
    val image = result.schema("image_assembler").dataType.asInstanceOf[ArrayType].elementType
    assertEquals(
      "struct<annotatorType:string,origin:string,height:int,width:int,nChannels:int,mode:int," +
        "result:binary,metadata:map<string,string>,text:string>",
      image.catalogString)
    val answer = result.schema("answer").dataType.asInstanceOf[ArrayType].elementType
    assertEquals(
      "struct<annotatorType:string,begin:int,end:int,result:string," +
        "metadata:map<string,string>,embeddings:array<float>>",
      answer.catalogString)
    assertEquals("document", result.schema("answer").metadata.getString("annotatorType"))
    assertEquals(Seq("image", "text", "image_assembler", "answer"), result.columns.toSeq)
    assertEquals(result.schema,
      florence.transformSchema(assembler.transformSchema(data.schema)), "as it was announced")
  }

  @Test def annotationsAreFilledIn(): Unit = {
    val result = answers(images.withColumn("text", lit("<OD>")))
    val image = result.select(explode(col("image_assembler"))).head().getStruct(0)
    assertEquals("image", image.getAs[String]("annotatorType"))
    assertEquals(96, image.getAs[Int]("height"))
    assertEquals("<OD>", image.getAs[String]("text"))
    assertEquals(96 * 96 * 3, image.getAs[Array[Byte]]("result").length)
    val answer = only(result)
    val text = answer.getAs[String]("result")
    assertEquals("document", answer.getAs[String]("annotatorType"))
    assertEquals(0, answer.getAs[Int]("begin"))
    assertEquals(text.length - 1, answer.getAs[Int]("end"))
    val told = metadata(answer)
    assertEquals("<OD>", told("task"))
    assertTrue(told("florence2_postprocessed_raw").startsWith("{\"bboxes\": [["), told.toString)
    assertTrue(told("florence2_postprocessed").contains("["), told.toString)
    val picture = Picture.decode(Base64.getDecoder.decode(told("florence2_image")), "annotated")
    assertEquals(96, picture.width)
    picture.close()
  }

  @Test def eachRowHasItsOwnText(): Unit = {
    val texts = Seq("<CAPTION>", "<OD>",
      "<REGION_TO_SEGMENTATION><loc_100><loc_100><loc_500><loc_500>")
    val data = images.coalesce(1).withColumn("row", monotonically_increasing_id().cast("int"))
      .withColumn("text", element_at(typedLit(texts), col("row") + 1))
    val result = answers(data, florence.setBatchSize(2)).select("text", "answer.metadata", "answer.result").collect()
    assertEquals(3, result.length)
    for (row <- result) {
      val told = row.getSeq[scala.collection.Map[String, String]](1).head
      assertEquals(row.getString(0), told("task"))
      assertEquals(row.getString(0) != "<CAPTION>", row.getSeq[String](2).head.contains("<loc_"))
      assertEquals(row.getString(0) != "<CAPTION>", told.contains("florence2_image"))
    }
  }

  @Test def severalTasksOnOnePicture(): Unit = {
    val tasks = Seq("<CAPTION>", "<OD>", "<OCR>", "nonsense <OD>")
    val together = answers(images.withColumn("text", typedLit(tasks)))
    assertEquals("array<string>",
      together.select("image_assembler.text").schema.head.dataType
        .asInstanceOf[ArrayType].elementType.catalogString)
    for ((row, i) <- results(together).zipWithIndex) assertEquals(4, row.size, s"row $i")
    for ((task, i) <- tasks.zipWithIndex) {
      val alone = results(answers(images.withColumn("text", lit(task))))
      assertEquals(alone.map(_.head), results(together).map(_.apply(i)), task)
    }
  }

  @Test def structColumnHoldsNumbers(): Unit = {
    val frame = answers(images.withColumn("text", typedLit(Seq("<OD>", "<CAPTION>",
      "<REGION_TO_SEGMENTATION><loc_100><loc_100><loc_500><loc_500>", "<OCR_WITH_REGION>"))),
      florence.setStructCol("found"))
    val rows = frame.select("found", "answer").collect()
    for (row <- rows) {
      val found = row.getSeq[Row](0)
      val raw = row.getSeq[Row](1).map(metadata(_)("florence2_postprocessed_raw"))
      val boxes = found.head.getAs[scala.collection.Seq[scala.collection.Seq[Float]]]("boxes")
      assertTrue(boxes.nonEmpty)
      assertEquals("<OD>", found.head.getAs[String]("task"))
      assertEquals(boxes.size, found.head.getAs[scala.collection.Seq[Float]]("scores").size)
      assertEquals(boxes.size, found.head.getAs[scala.collection.Seq[String]]("labels").size)
      val json = new com.fasterxml.jackson.databind.ObjectMapper().readTree(raw.head)
      for (i <- boxes.indices; c <- 0 until 4) {
        assertEquals(json.at(s"/bboxes/$i/$c").floatValue, boxes(i)(c), 1e-3f)
      }
      val caption = found(1)
      assertEquals("\"" + caption.getAs[String]("text") + "\"", raw(1))
      val polygons = found(2)
        .getAs[scala.collection.Seq[scala.collection.Seq[scala.collection.Seq[Float]]]]("polygons")
      assertTrue(polygons.head.head.size % 2 == 0)
    }
  }

  @Test def withoutTextObjectsAreDetected(): Unit = {
    val expected = results(answers(images.withColumn("text", lit("<OD>"))))
    assertEquals(expected, results(answers(images)))
    assertEquals(expected, results(answers(images.withColumn("text", lit("")))))
  }

  @Test def binaryFilesGiveTheSameAnswers(): Unit = {
    val files = spark.read.format("binaryFile").load(folder.toString).orderBy("path")
      .withColumn("text", lit("<OD>"))
    val stages = Array[PipelineStage](assembler.setInputCol("content"), florence)
    val result = new Pipeline().setStages(stages).fit(files).transform(files)
    val origins = result.select("image_assembler.origin").collect().map(_.getSeq[String](0).head)
    assertTrue(origins.head.endsWith("00000.png"), origins.head)
    val sources = answers(images.orderBy("image.origin").withColumn("text", lit("<OD>")))
    assertEquals(results(sources), results(result))
  }

  @Test def badPicturesCostTheirRowOnly(): Unit = {
    Seq(("null", null: Array[Byte]), ("empty", Array.empty[Byte]),
      ("broken", Array[Byte](-1, -40, -1, 3)),
      ("cut", Files.readAllBytes(folder.resolve("00000.png")).take(200)),
      ("good", Files.readAllBytes(folder.resolve("00000.png"))))
      .toDF("path", "content").createOrReplaceTempView("bad")
    val data = spark.table("bad").withColumn("text", lit("<CAPTION>"))
    val frame = new Pipeline()
      .setStages(Array[PipelineStage](assembler.setInputCol("content"),
        florence.setBatchSize(3).setStructCol("found")))
      .fit(data).transform(data)
    val rows = frame.select("path", "answer", "found").collect().map(r =>
      r.getString(0) -> ((r.getSeq[Row](1).head, r.getSeq[Row](2).head))).toMap
    assertEquals(5, rows.size)
    for (name <- Seq("null", "empty", "broken", "cut")) {
      val (answer, struct) = rows(name)
      assertNull(answer.getAs[String]("result"), name)
      val told = metadata(answer)
      assertEquals("invalid_image", told("error_code"), name)
      assertFalse(told("error").isEmpty)
      assertEquals(told("error"), struct.getAs[String]("error"))
      assertFalse(told.contains("florence2_postprocessed"))
    }
    assertTrue(metadata(rows("cut")._1)("error").contains("cut"))
    assertNotNull(rows("good")._1.getAs[String]("result"))
  }

  @Test def badRowsOfTheImageSource(): Unit = {
    val place = SparkFixture.pictures(1)
    Files.write(place.resolve("broken.png"), Array[Byte](1, 2, 3))
    val read = spark.read.format("image").load(place.toString)
    val nulls = read.limit(1).withColumn("image", lit(null).cast(read.schema("image").dataType))
    val hollow = read.where("image.height > 0").withColumn("image",
      col("image").withField("height", lit(0)).withField("data", lit(Array.empty[Byte])))
    val short = read.where("image.height > 0").withColumn("image",
      col("image").withField("data", lit(Array[Byte](1, 2, 3))))
    val data = read.union(nulls).union(hollow).union(short).withColumn("text", lit("<CAPTION>"))
    val rows = answers(data).select("answer").collect().map(_.getSeq[Row](0).head)
    assertEquals(5, rows.length)
    assertEquals(1, rows.count(_.getAs[String]("result") != null))
    val reasons = rows.flatMap(row => metadata(row).get("error"))
    for (words <- Seq("could not be read", "null", "empty", "3 bytes are too few")) {
      assertTrue(reasons.exists(_.contains(words)), words + ": " + reasons.mkString("; "))
    }
  }

  @Test def badTextsCostTheirAnswerOnly(): Unit = {
    val data = images.limit(1)
      .withColumn("text", typedLit(Seq("<OD>", null, "<OD> and more", "<CAPTION>")))
    val row = answers(data).select("answer").head().getSeq[Row](0)
    assertEquals(Seq(true, false, false, true), row.map(_.getAs[String]("result") != null))
    assertEquals("invalid_prompt", metadata(row(1))("error_code"))
    assertEquals("<OD> and more", metadata(row(2))("task"))
    val none = answers(images.limit(1).withColumn("text", lit(null).cast("string")))
    assertEquals("the text is null", metadata(only(none))("error"))
  }

  @Test def textBeyondAscii(): Unit = {
    val text = "<CAPTION_TO_PHRASE_GROUNDING>Füße, 模型 und 🖼"
    val answer = only(answers(images.limit(1).withColumn("text", lit(text))))
    assertEquals(text, metadata(answer)("task"))
  }

  @Test def grayAndTransparentPictures(): Unit = {
    val place = Files.createTempDirectory("uffizi-kinds-")
    for ((kind, name) <- Seq(java.awt.image.BufferedImage.TYPE_BYTE_GRAY -> "gray",
        java.awt.image.BufferedImage.TYPE_4BYTE_ABGR -> "alpha")) {
      val image = new java.awt.image.BufferedImage(96, 96, kind)
      image.createGraphics().drawImage(SparkFixture.scene(96, 96), 0, 0, null)
      SparkFixture.writePng(image, place.resolve(name + ".png"))
    }
    val data = spark.read.format("image").load(place.toString).withColumn("text", lit("<OD>"))
    assertEquals(Set(1, 4), data.select("image.nChannels").as[Int].collect().toSet)
    assertTrue(results(answers(data)).forall(_.head != null))
  }

  @Test def oneEngineForAllTasks(): Unit = {
    val data = images.union(images).repartition(6).withColumn("text", lit("<OD>"))
    val before = SharedEngines.count
    answers(data).count()
    results(answers(data, florence.setBatchSize(4)))
    assertTrue(SharedEngines.count - before <= 1, "loaded once at most")
  }

  @Test def savedPipelinesBringTheirModel(): Unit = {
    val data = images.withColumn("text", lit("<OD>"))
    val fitted = new Pipeline()
      .setStages(Array[PipelineStage](assembler, florence.setBeamSize(2).setStructCol("found")))
      .fit(data)
    val place = Files.createTempDirectory("uffizi-saved-").resolve("pipeline")
    for (path <- Seq(place.toString, place.toUri.toString)) {
      fitted.write.overwrite().save(path)
      val loaded = PipelineModel.load(path)
      val stage = loaded.stages(1).asInstanceOf[Florence2Transformer]
      assertEquals(2, stage.getBeamSize)
      assertTrue(stage.modelFolder.get.contains("uffizi-saved-"), stage.modelFolder.get)
      assertEquals(results(fitted.transform(data)), results(loaded.transform(data)))
    }
    // A stage alone, too.
    val alone = place.resolveSibling("stage").toString
    florence.write.save(alone)
    assertEquals(768.min(florence.getSize), Florence2Transformer.load(alone).getSize)
  }

  /** A file system that only Hadoop knows: a mount of its viewfs. */
  @Test def modelsOnAnyHadoopFileSystem(): Unit = {
    val conf = spark.sparkContext.hadoopConfiguration
    conf.set("fs.viewfs.mounttable.elsewhere.link./models",
      Files.createTempDirectory("uffizi-elsewhere-").toUri.toString)
    val place = "viewfs://elsewhere/models/pipeline"
    val data = images.withColumn("text", lit("<OD>"))
    val fitted = new Pipeline().setStages(Array[PipelineStage](assembler, florence)).fit(data)
    fitted.save(place)
    val loaded = PipelineModel.load(place)
    assertTrue(loaded.stages(1).asInstanceOf[Florence2Transformer].modelFolder.get
      .startsWith("viewfs://elsewhere/"))
    assertEquals(results(fitted.transform(data)), results(loaded.transform(data)))
  }

  @Test def mistakesAreToldAtOnce(): Unit = {
    def refused(words: String)(body: => Any): Unit = {
      val error = assertThrows(classOf[Exception], () => { body; () })
      assertTrue(error.getMessage.contains(words), error.getMessage)
    }
    refused("no such model")(Florence2Transformer.load("/no/such/folder"))
    refused("spark.uffizi.models")(Florence2Transformer.pretrained("no_such_model"))
    refused("not de")(Florence2Transformer.pretrained("florence_2_base_ft_int4", "de"))
    refused("has no model")(new Florence2Transformer().transform(assembler.transform(images)))
    refused("no column image_assembler")(florence.transform(images))
    refused("ImageAssembler")(florence.setInputCols("image").transform(images))
    refused("no column picture")(assembler.setInputCol("picture").transform(images))
    refused("image")(assembler.setInputCol("text").transform(images.withColumn("text", lit("x"))))
    refused("exists already")(answers(images, florence.setOutputCol("image")))
    refused("beamSize")(florence.setBeamSize(0))
  }
}
