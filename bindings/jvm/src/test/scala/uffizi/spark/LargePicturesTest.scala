package uffizi.spark

import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import java.nio.file.{Files, Path}
import java.util.Base64
import javax.imageio.ImageIO

import org.apache.spark.sql.functions._
import org.apache.spark.sql.{DataFrame, Row}
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** Pictures whose pixels would not fit the Java heap, which here has 900 MB. */
class LargePicturesTest {
  private val spark = SparkFixture.spark

  /** A gray scene: the picture alone takes 180 MB here. */
  private def jpeg(width: Int, height: Int): Path = {
    val image = new BufferedImage(width, height, BufferedImage.TYPE_BYTE_GRAY)
    val graphics = image.createGraphics()
    graphics.setColor(java.awt.Color.WHITE)
    graphics.fillRect(0, 0, width, height)
    graphics.setColor(java.awt.Color.DARK_GRAY)
    graphics.fillRect(width / 10, height / 10, width / 3, height / 3)
    graphics.dispose()
    val folder = Files.createTempDirectory("uffizi-large-")
    ImageIO.write(image, "jpeg", folder.resolve("large.jpg").toFile)
    folder
  }

  private def annotated(folder: Path, stage: Florence2Transformer): DataFrame = {
    val files = spark.read.format("binaryFile").load(folder.toString).withColumn("text", lit("<OD>"))
    stage.transform(new ImageAssembler().setInputCol("content").transform(files))
  }

  private def metadata(frame: DataFrame): scala.collection.Map[String, String] =
    frame.select("answer").head().getSeq[Row](0).head
      .getAs[scala.collection.Map[String, String]]("metadata")

  @Test def oneHundredEightyMillionPixels(): Unit = {
    val folder = jpeg(20000, 9000)
    val stage = Florence2Transformer.load(SparkFixture.model)
    val told = metadata(annotated(folder, stage))
    assertEquals(None, told.get("error"))
    assertTrue(told("florence2_postprocessed_raw").contains("bboxes"), told("florence2_postprocessed_raw"))
    val drawn = ImageIO.read(new ByteArrayInputStream(Base64.getDecoder.decode(told("florence2_image"))))
    assertTrue(drawn.getWidth * drawn.getHeight <= stage.getAnnotatedImagePixels)
    assertEquals(20.0 / 9, drawn.getWidth.toDouble / drawn.getHeight, 0.01)
    for (batch <- Seq(1, 2)) {
      val small = metadata(annotated(folder, stage.setMaxPixels(170000000L).setBatchSize(batch)))
      assertEquals("image_too_large", small("error_code"))
      assertTrue(small("error").contains("large.jpg"), small("error"))
    }
  }

  /** An image struct may hold a file, as Spark NLP's loadImagesAsBytes makes them. */
  @Test def filesInImageStructs(): Unit = {
    val place = SparkFixture.pictures(1)
    val read = spark.read.format("image").load(place.toString)
    val files = spark.read.format("binaryFile").load(place.toString)
    val structs = read.crossJoin(files).select(col("image").withField("data", col("content")).as("image"),
      lit("<OD>").as("text"))
    val pixels = read.withColumn("text", lit("<OD>"))
    val stage = Florence2Transformer.load(SparkFixture.model)
    def result(data: DataFrame) =
      stage.transform(new ImageAssembler().transform(data)).select("answer.result").head()
    assertEquals(result(pixels), result(structs))
  }

  @Test def largeStructsAreRefusedToo(): Unit = {
    val read = spark.read.format("image").load(SparkFixture.pictures(1).toString).withColumn("text", lit("<OD>"))
    val stage = Florence2Transformer.load(SparkFixture.model).setMaxPixels(9000)
    val told = metadata(stage.transform(new ImageAssembler().transform(read)))
    assertEquals("image_too_large", told("error_code"))
  }
}
