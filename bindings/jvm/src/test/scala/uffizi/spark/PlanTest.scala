package uffizi.spark

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.Test

/** What Spark makes of a stage: when the model runs, and what becomes of the other columns. */
class PlanTest {
  private val spark = SparkFixture.spark
  private val folder = SparkFixture.pictures(6)
  private def files = spark.read.format("binaryFile").load(folder.toString)
    .withColumn("text", lit("<CAPTION>"))

  private def florence = Florence2Transformer.load(SparkFixture.model)

  private def annotated(data: DataFrame, stage: Florence2Transformer = florence): DataFrame =
    stage.transform(new ImageAssembler().setInputCol("content").transform(data))

  /** How many questions the model was asked meanwhile. */
  private def asked(body: => Any): Long = {
    val before = RowAnnotator.asked.sum
    body
    RowAnnotator.asked.sum - before
  }

  @Test def whoWantsNoAnswerRunsNoModel(): Unit = {
    val frame = annotated(files, florence.setStructCol("found"))
    SharedEngines.unload()
    val engines = SharedEngines.count
    assertEquals(6, frame.count())
    assertEquals(6, frame.select("path", "length").collect().length)
    assertEquals(6, frame.select("image_assembler.origin").collect().length)
    assertEquals(1, frame.groupBy("text").count().collect().length)
    assertEquals(engines, SharedEngines.count)
    assertEquals(6, asked(frame.select("answer.result").collect()))
    assertEquals(6, asked(frame.select("found").collect()))
  }

  @Test def filtersGoFirst(): Unit = {
    val frame = annotated(files, florence.setStructCol("found"))
    assertEquals(1, asked(assertEquals(1, frame.where("path like '%00003.png'").select("answer").collect().length)))
    assertEquals(2, asked(frame.where("path > '0' and path < '1' or path like '%2.png' or path like '%1.png'")
      .select("answer.result", "found.text").collect()))
  }

  @Test def answersThatAreFilteredAreAskedOnce(): Unit = {
    val frame = annotated(files, florence.setStructCol("found"))
    val kept = frame.where("answer[0].result is not null and size(found) = 1")
      .select(col("path"), explode(col("answer")).as("a")).select("path", "a.result", "a.metadata")
    assertEquals(6, asked(assertEquals(6, kept.collect().length)))
    assertEquals(6, asked(frame.where("answer[0].result is null").collect()))
    assertEquals(6, asked(frame.repartition(2).orderBy("path").select("answer", "found").collect()))
  }

  @Test def drawsWithoutSeedAreNotRepeated(): Unit = {
    val frame = annotated(files, florence.setDoSample(true))
    assertFalse(frame.queryExecution.analyzed.deterministic)
    assertTrue(annotated(files, florence.setDoSample(true).setRandomSeed(3))
      .queryExecution.analyzed.deterministic)
  }

  @Test def columnsOfOneNamePass(): Unit = {
    val data = files.select(col("*"), lit(1).as("twin"), lit("two").as("twin"), lit(3).as("a.b`c"))
    val batches = annotated(data, florence.setBatchSize(4).setStructCol("found"))
    val rows = annotated(data, florence.setStructCol("found"))
    assertEquals(rows.schema.map(f => (f.name, f.dataType, f.metadata)),
      batches.schema.map(f => (f.name, f.dataType, f.metadata)))
    for (frame <- Seq(rows, batches)) {
      val first = frame.collect().head
      assertEquals(Seq(1, "two", 3), first.toSeq.slice(5, 8))
      assertNotNull(first.getAs[scala.collection.Seq[Row]]("answer").head.getAs[String]("result"))
    }
    val twins = files.withColumn("twin", col("content")).select(col("*"), col("content"))
    val error = assertThrows(classOf[IllegalArgumentException], () => { annotated(twins); () })
    assertTrue(error.getMessage.contains("2 columns are called content"), error.getMessage)
  }

  @Test def hiddenColumnsPass(): Unit = {
    val names = annotated(files).select("_metadata.file_name", "answer.result").collect()
    assertEquals("00000.png", names.map(_.getString(0)).min)
  }

  @Test def namesAreSparks(): Unit = {
    val data = files.withColumnRenamed("text", "Text")
    val stage = florence.setOutputCol("Answer")
    assertEquals(annotated(files).select("answer.result").collect().toSeq,
      annotated(data, stage).select("answer.result").collect().toSeq)
    val error = assertThrows(classOf[IllegalArgumentException],
      () => { annotated(data, florence.setOutputCol("TEXT")); () })
    assertTrue(error.getMessage.contains("TEXT exists already"), error.getMessage)
  }
}
