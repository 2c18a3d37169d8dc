package uffizi.spark

import java.util.{Base64, Collections, HashMap => JavaMap}

import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.{Tag, Test, Timeout}

import uffizi._

/** What the stages cost beside a job that somebody wrote by hand for these pictures alone, with
  * mapPartitions over the engine. Both give the answer's text and JSON; the model is the small one of
  * this repository, since what a stage costs shows most where the model costs least.
  */
class CostTest {
  private val spark = SparkFixture.spark
  import spark.implicits._
  private val Pairs = 5

  private def pictures(size: Int, count: Int): DataFrame = {
    val frame = spark.read.format("image").load(SparkFixture.pictures(count, size).toString)
      .withColumn("text", lit("<OD>")).repartition(2).cache()
    assertEquals(count, frame.count())
    frame
  }

  private def stage(data: DataFrame, drawn: Boolean): Long = {
    val florence = Florence2Transformer.load(SparkFixture.model)
      .setAnnotatedImage(if (drawn) "png" else "none")
    florence.transform(new ImageAssembler().transform(data))
      .select(col("image.origin"), col("answer")(0)("result").as("result"),
        col("answer")(0)("metadata").as("metadata"))
      .agg(sum(length(col("result"))), sum(size(col("metadata")))).head().getLong(0)
  }

  private def byHand(data: DataFrame, drawn: Boolean, options: JavaMap[String, String]): Long = {
    val model = SparkFixture.model
    data.select("image.origin", "image.width", "image.height", "image.data", "text")
      .mapPartitions { (rows: Iterator[Row]) =>
        val session = CostTest.engine(model).newSession()
        rows.map { row =>
          val picture = Picture.fromPixels(row.getAs[Array[Byte]]("data"), row.getAs[Int]("width"),
            row.getAs[Int]("height"), Picture.Format.BGR)
          val encoded = session.encode(picture)
          val answer = session.run(Collections.singletonList(
            new Question(encoded, row.getAs[String]("text"))), options).get(0)
          val image = if (!drawn) null else {
            val copy = answer.draw(picture)
            try Base64.getEncoder.encodeToString(copy.png) finally copy.close()
          }
          answer.close()
          encoded.close()
          picture.close()
          (row.getAs[String]("origin"), answer.text.replace("<s>", "").replace("</s>", "").trim,
            answer.json, image)
        }
      }.toDF("origin", "result", "json", "annotated")
      .agg(sum(length(col("result"))), sum(length(col("json"))), sum(length(col("annotated"))))
      .head().getLong(0)
  }

  private def seconds(body: => Long, expected: Long): Double = {
    val start = System.nanoTime
    assertEquals(expected, body, "the two jobs give the same answers")
    (System.nanoTime - start) / 1e9
  }

  @Test @Tag("measurement") @Timeout(600) def stageBesideHandWritten(): Unit = {
    val options = new JavaMap[String, String]()
    new Florence2Transformer().generationOptions.foreach { case (k, v) => options.put(k, v) }
    println("pictures            drawn  stage ms  by hand ms  median of the ratios (least..most)")
    for ((size, count, drawn) <- Seq((96, 300, false), (96, 300, true), (640, 150, false))) {
      val data = pictures(size, count)
      val expected = byHand(data, drawn, options)
      seconds(stage(data, drawn), expected)
      val pairs = (1 to Pairs).map { pair =>
        // Neither always comes first.
        if (pair % 2 == 0) {
          val ours = seconds(stage(data, drawn), expected)
          (ours, seconds(byHand(data, drawn, options), expected))
        } else {
          val theirs = seconds(byHand(data, drawn, options), expected)
          (seconds(stage(data, drawn), expected), theirs)
        }
      }
      def median(values: Seq[Double]) = values.sorted.apply(values.size / 2)
      def each(values: Seq[Double]) = 1000 * median(values) / count
      val ratios = pairs.map { case (ours, theirs) => ours / theirs }
      println(f"$count of $size%3d x $size%3d  ${if (drawn) "png" else "no"}%8s ${each(pairs.map(_._1))}%9.2f" +
        f" ${each(pairs.map(_._2))}%11.2f  ${median(ratios)}%.3f (${ratios.min}%.3f..${ratios.max}%.3f)")
      data.unpersist()
      assertTrue(median(ratios) < 1.10, s"the stage costs ${median(ratios)} of the job by hand")
    }
  }
}

object CostTest {
  private var loaded: Engine = _
  /** One for this JVM, as a hand-written job would have it; a thread for each session. */
  def engine(model: String): Engine = synchronized {
    if (loaded == null) {
      loaded = Engine.load(java.nio.file.Paths.get(model), Collections.singletonMap("threads", "1"))
    }
    loaded
  }
}
