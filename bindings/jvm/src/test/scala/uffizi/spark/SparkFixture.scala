package uffizi.spark

import java.awt.image.BufferedImage
import java.awt.{Color, Graphics2D}
import java.nio.file.{Files, Path, Paths}
import javax.imageio.ImageIO

import org.apache.spark.sql.SparkSession

/** One local Spark for all tests, the model in the box, and pictures. */
object SparkFixture {
  val source: Path = Paths.get(System.getProperty("uffizi.source.dir")).toAbsolutePath.normalize
  val model: String = source.resolve("models/uffizi-tiny").toString

  /** A folder that holds the model under the name that `pretrained()` looks for. */
  private lazy val models: Path = {
    val folder = Files.createTempDirectory("uffizi-models-")
    Files.createSymbolicLink(folder.resolve("florence_2_base_ft_int4"), Paths.get(model))
    folder
  }

  lazy val spark: SparkSession = SparkSession.builder()
    .master("local[2]")
    .appName("uffizi tests")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "localhost")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.uffizi.models", models.toString)
    .getOrCreate()

  /** A scene like those that the model knows: a red square and a blue circle on white. */
  def scene(width: Int, height: Int, shift: Int = 0): BufferedImage = {
    val image = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR)
    val graphics: Graphics2D = image.createGraphics()
    graphics.setColor(Color.WHITE)
    graphics.fillRect(0, 0, width, height)
    graphics.setColor(Color.RED)
    graphics.fillRect(width / 10 + shift, height / 10, width / 3, height / 3)
    graphics.setColor(Color.BLUE)
    graphics.fillOval(width / 2, height / 2 - shift, width / 3, height / 3)
    graphics.dispose()
    image
  }

  def writePng(image: BufferedImage, file: Path): Path = {
    ImageIO.write(image, "png", file.toFile)
    file
  }

  /** A new folder of `count` pictures, each a little different. */
  def pictures(count: Int, size: Int = 96): Path = {
    val folder = Files.createTempDirectory("uffizi-pictures-")
    for (i <- 0 until count) writePng(scene(size, size, i % 8), folder.resolve(f"$i%05d.png"))
    folder
  }
}
