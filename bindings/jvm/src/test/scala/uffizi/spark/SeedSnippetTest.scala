package uffizi.spark

import java.io.ByteArrayOutputStream
import java.nio.file.{Files, Path}

import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** The Scala snippet in Spark NLP's documentation, unchanged except for the imports and the path. */
class SeedSnippetTest {
  private val seed = SparkFixture.source.resolve("bindings/jvm/src/test/resources/seed")

  @Test def runs(): Unit = {
    val folder = SparkFixture.pictures(2)
    Files.write(folder.resolve("broken.png"), Array[Byte](1, 2, 3))
    val out = new ByteArrayOutputStream()
    Console.withOut(out) { run(folder) }
    val printed = out.toString("UTF-8")
    assertTrue(printed.contains("00000.png"), printed)
    assertTrue(printed.contains("<loc_"), printed)
    assertFalse(printed.contains("broken.png"), "dropInvalid leaves it out")
  }

  private def run(pictures: Path): Unit = {
    val spark = SparkFixture.spark
    val imagesPath = pictures.toString
    // snippet
    import spark.implicits._
    import uffizi.spark._
    import org.apache.spark.ml.Pipeline
    import org.apache.spark.sql.DataFrame
    import org.apache.spark.sql.functions.lit

    val imageFolder = imagesPath // Replace with your image path

    val imageDF: DataFrame = spark.read
         .format("image")
         .option("dropInvalid", value = true)
         .load(imageFolder)

    val testDF: DataFrame = imageDF.withColumn("text", lit("<OD>"))

    val imageAssembler: ImageAssembler = new ImageAssembler()
         .setInputCol("image")
         .setOutputCol("image_assembler")

    val florence2 = Florence2Transformer.pretrained()
         .setInputCols("image_assembler")
         .setOutputCol("answer")

    val pipeline = new Pipeline().setStages(Array(
         imageAssembler,
         florence2
    ))

    val result = pipeline.fit(testDF).transform(testDF)

    result.select("image_assembler.origin", "answer.result").show(false)
    // end
  }

  /** The code above is Spark NLP's text: only imports, and the path it asks to replace, differ. */
  @Test def isTheSeedsText(): Unit = {
    val file = SparkFixture.source.resolve(
      "bindings/jvm/src/test/scala/uffizi/spark/SeedSnippetTest.scala")
    val text = new String(Files.readAllBytes(file), "UTF-8")
    val ours = text.substring(text.indexOf("// snippet\n") + 11, text.indexOf("    // end"))
    val theirs = new String(Files.readAllBytes(seed.resolve("snippet.scala.txt")), "UTF-8")
    assertEquals(statements(theirs), statements(ours))
  }

  private def statements(code: String): Seq[String] = code.split("\n").toSeq.map(_.trim)
    .filter(_.nonEmpty)
    .filterNot(_.startsWith("import "))
    .map(_.replace("\"path/to/your/images\"", "imagesPath"))
}
