package uffizi.spark

import java.nio.file.{Files, Paths}

import org.apache.spark.sql.functions._
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.{Tag, Test, Timeout}

/** Memory outside the Java heap must not grow with the number of pictures. The heap itself has a
  * fixed size here, and all of it is touched at the start (pom.xml).
  */
class GrowthTest {
  private val spark = SparkFixture.spark
  import spark.implicits._

  /** 256 x 256 pictures, 192 KB each: what is kept of one in two of them would show. */
  private def answer(count: Int): Unit = {
    val pictures = spark.range(0, count, 1, 4).map { i =>
      val pixels = new Array[Byte](256 * 256 * 3)
      new scala.util.Random(i).nextBytes(pixels)
      (s"picture $i", 256, 256, 3, 16, pixels)
    }.toDF("origin", "height", "width", "nChannels", "mode", "data")
      .select(struct(col("*")).as("image"), lit("<OD>").as("text"))
    val stage = Florence2Transformer.load(SparkFixture.model).setBatchSize(4)
      .setAnnotatedImage("jpeg").setMaxOutputLength(20)
    val answered = stage.transform(new ImageAssembler().transform(pictures))
      .select(col("answer")(0)("result").as("result")).where("result is not null").count()
    assertEquals(count, answered)
  }

  private def residentMegabytes: Long = {
    System.gc() // lets the Cleaner free what nobody closed
    Thread.sleep(200)
    val pages = Files.readString(Paths.get("/proc/self/statm")).split(" ")(1).toLong
    pages * 4096 / 1000000
  }

  private def check(warmUp: Int, count: Int): Unit = {
    answer(warmUp)
    val before = residentMegabytes
    answer(count)
    val after = residentMegabytes
    println(s"resident before $before MB, after $count pictures $after MB")
    // Half of the pictures' own size; for many pictures what an allocator may waste.
    val allowed = (count * 256 * 256 * 3L / 2 / 1000000).min(100)
    assertTrue(after - before < allowed, s"from $before MB to $after MB")
  }

  @Test def fewPictures(): Unit = check(200, 600)

  @Test @Tag("long") @Timeout(1200) def tenThousandPictures(): Unit = check(500, 10000)
}
