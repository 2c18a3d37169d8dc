package uffizi.spark

import java.util.Collections

import org.apache.spark.sql.Row
import org.apache.spark.sql.types.{ArrayType, StructType}

import uffizi.{Picture, UffiziException}

/** Reads ImageAssembler's annotations by the names of their fields. `result` contains pixels from
  * Spark's image source, or an unchanged picture file, which is decoded here, outside the Java
  * heap.
  */
private[spark] class ImageFields(schema: StructType, maxPixels: Long) extends Serializable {
  import ImageFields._

  private val origin = schema.fieldIndex("origin")
  private val height = schema.fieldIndex("height")
  private val width = schema.fieldIndex("width")
  private val channels = schema.fieldIndex("nChannels")
  private val result = schema.fieldIndex("result")
  private val metadata = schema.fieldNames.indexOf("metadata")
  private val text = schema.fieldNames.indexOf("text")
  private val textIsList = text >= 0 && schema(text).dataType.isInstanceOf[ArrayType]

  def texts(image: Row): Seq[String] =
    if (text < 0) Seq("")
    else if (image.isNullAt(text)) Seq(null)
    else if (textIsList) image.getSeq[String](text)
    else Seq(image.getString(text))

  /** Throws UffiziException if there is no picture. */
  def picture(image: Row): Picture = {
    if (image == null) refuse(InvalidImage, "there is no picture")
    if (metadata >= 0 && !image.isNullAt(metadata)) {
      image.getMap[String, String](metadata).get("error").foreach(refuse(InvalidImage, _))
    }
    if (image.isNullAt(result)) refuse(InvalidImage, "there is no picture")
    val bytes = image.getAs[Array[Byte]](result)
    val (w, h, c) = (image.getInt(width), image.getInt(height), image.getInt(channels))
    if (bytes.isEmpty) refuse(InvalidImage, "the picture is empty")
    if (w < 1 || h < 1) file(image, bytes)
    else if (bytes.length.toLong == w.toLong * h * c) pixels(bytes, w, h, c)
    else {
      // Not pixels of that size: some sources store a file's bytes together with its size.
      try file(image, bytes)
      catch {
        case error: UffiziException if error.code != "image_too_large" => pixels(bytes, w, h, c)
      }
    }
  }

  private def file(image: Row, bytes: Array[Byte]): Picture = {
    val name = if (image.isNullAt(origin)) "" else image.getString(origin)
    Picture.decode(bytes, name, Collections.singletonMap("max_pixels", maxPixels.toString))
  }

  private def pixels(bytes: Array[Byte], w: Int, h: Int, c: Int): Picture = {
    if (w.toLong * h > maxPixels) {
      refuse("image_too_large", s"the picture has $w x $h pixels; at most $maxPixels are allowed")
    }
    val format = Formats.getOrElse(c,
      refuse(InvalidImage, s"a picture of $c channels; 1, 3 or 4 are known"))
    Picture.fromPixels(bytes, w, h, format)
  }
}

private[spark] object ImageFields {
  private val InvalidImage = "invalid_image"
  private val Formats =
    Map(1 -> Picture.Format.GRAY, 3 -> Picture.Format.BGR, 4 -> Picture.Format.BGRA)
  private def refuse(code: String, reason: String): Nothing =
    throw new UffiziException(code, reason)
}
