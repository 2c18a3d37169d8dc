package uffizi.spark

import java.util.{ArrayList => JavaList, Base64, HashMap => JavaMap}

import scala.collection.mutable

import org.apache.spark.TaskContext
import org.apache.spark.sql.Row
import org.apache.spark.sql.types._

import uffizi._

/** What tasks need to know to answer the rows of a partition. */
private[spark] case class AnnotatorPlan(
    model: ShippedModel,
    preprocessing: Map[String, String],
    compute: String,
    generation: Map[String, String],
    batchSize: Int,
    annotatedImage: String,
    withStruct: Boolean,
    imagesIndex: Int,
    imageType: StructType) {

  /** The rows with the columns of answers behind their own. Rows are read a batch at a time. */
  def annotate(rows: Iterator[Row]): Iterator[Row] =
    if (rows.isEmpty) Iterator.empty
    else {
      val task = TaskContext.get()
      val annotator = new PartitionAnnotator(this, task.cpus())
      task.addTaskCompletionListener[Unit](_ => annotator.close())
      rows.grouped(batchSize).flatMap(annotator.annotate(_))
    }
}

/** Answers rows with a session of its JVM's shared engine; used by one task. */
private[spark] class PartitionAnnotator(plan: AnnotatorPlan, threads: Int) {
  import PartitionAnnotator._

  private val session = SharedEngines.get(plan, threads).newSession()
  private val fields = new ImageFields(plan.imageType)
  private val options = new JavaMap[String, String]()
  plan.generation.foreach { case (name, value) => options.put(name, value) }

  def close(): Unit = session.close()

  def annotate(rows: Seq[Row]): Seq[Row] = {
    val opened = mutable.ArrayBuffer.empty[AutoCloseable]
    try {
      val asked = rows.map(row => row -> images(row).map(image => ask(image, opened)))
      val questions = new JavaList[Question]()
      for ((_, images) <- asked; image <- images; item <- image.items) {
        item.foreach { case (_, question) => questions.add(question) }
      }
      val answers = session.run(questions, options)
      if (!answers.isEmpty) opened += (() => answers.get(0).close())
      val next = answers.iterator()
      asked.map { case (row, images) =>
        val outcomes = images.flatMap { image =>
          image.items.map {
            case Right((text, _)) => outcome(text, next.next(), image.picture.get)
            case Left(failure) => failure
          }
        }
        val columns = Seq(outcomes.map(_.document)) ++
          (if (plan.withStruct) Seq(outcomes.map(_.struct)) else Nil)
        Row.fromSeq(row.toSeq ++ columns)
      }
    } finally opened.reverseIterator.foreach(_.close())
  }

  private def images(row: Row): Seq[Row] =
    if (row.isNullAt(plan.imagesIndex)) Seq(null) else row.getSeq[Row](plan.imagesIndex)

  /** Encodes the picture of one annotation and asks its texts about it. */
  private def ask(image: Row, opened: mutable.Buffer[AutoCloseable]): Asked = {
    if (image == null) return Asked(None, Seq(Left(Failure("", "invalid_image", "there is no picture"))))
    val texts = fields.texts(image)
    def failed(code: String, reason: String) =
      Asked(None, texts.map(text => Left(Failure(text, code, reason))))
    fields.problem(image) match {
      case Some(reason) => failed("invalid_image", reason)
      case None if texts.forall(_ == null) =>
        Asked(None, texts.map(_ => Left(Failure(null, "invalid_prompt", "the text is null"))))
      case None =>
        try {
          val picture = fields.picture(image)
          opened += picture
          val encoded = session.encode(picture)
          opened += encoded
          Asked(Some(picture), texts.map {
            case null => Left(Failure(null, "invalid_prompt", "the text is null"))
            case text => Right((text, new Question(encoded, if (text.isEmpty) DefaultText else text)))
          })
        } catch {
          case error: UffiziException => failed(error.code, error.getMessage)
        }
    }
  }

  private def outcome(text: String, answer: Answer, picture: Picture): Outcome =
    if (answer.failed) Failure(text, answer.errorCode, answer.error)
    else {
      val drawn =
        if (plan.annotatedImage == "none" || answer.shape == Answer.Shape.TEXT) None
        else {
          val annotated = answer.draw(picture)
          try Some(Base64.getEncoder.encodeToString(
            if (plan.annotatedImage == "png") annotated.png else annotated.jpeg(JpegQuality)))
          finally annotated.close()
        }
      Success(text, answer, drawn)
    }
}

private[spark] object PartitionAnnotator {
  private val JpegQuality = 92
  /** Asked where the data has no text, as in Spark NLP. */
  private val DefaultText = "<OD>"
  private val SpecialTokens = Seq("<s>", "</s>", "<pad>")

  /** A picture and, for each text, its question or why it cannot be asked. */
  private case class Asked(
      picture: Option[Picture], items: Seq[Either[Failure, (String, Question)]])

  private sealed trait Outcome {
    def document: Row
    def struct: Row
  }

  private case class Failure(text: String, code: String, reason: String) extends Outcome {
    override def document: Row = Row(Schemas.DocumentType, 0, -1, null,
      Map("task" -> text, "error" -> reason, "error_code" -> code), Seq.empty[Float])
    override def struct: Row = Row(text, null, null, null, null, null, null, reason)
  }

  private case class Success(given: String, answer: Answer, drawn: Option[String])
      extends Outcome {
    private def isText = answer.shape == Answer.Shape.TEXT

    override def document: Row = {
      val text = SpecialTokens.foldLeft(answer.text)((t, token) => t.replace(token, "")).trim
      val metadata = Map(
        "task" -> given,
        "florence2_postprocessed" -> (if (isText) answer.answerText else describeRegions),
        "florence2_postprocessed_raw" -> answer.json) ++
        drawn.map("florence2_image" -> _) ++
        (if (answer.truncated) Some("truncated" -> "true") else None)
      Row(Schemas.DocumentType, 0, text.length - 1, text, metadata, Seq.empty[Float])
    }

    /** For people: "cat [1.5, 2.0, 30.2, 40.1]; dog [...]". */
    private def describeRegions: String = {
      def numbers(values: Array[Float]) = values.map(v => f"$v%.1f").mkString("[", ", ", "]")
      answer.labels.indices.map { i =>
        val shapes = Option(answer.boxes()(i)).toSeq ++ Option(answer.quads()(i)) ++
          answer.polygons()(i)
        (answer.labels()(i) +: shapes.map(numbers)).filter(_.nonEmpty).mkString(" ")
      }.mkString("; ")
    }

    override def struct: Row = {
      def lists(arrays: Array[Array[Float]]) =
        arrays.toSeq.map(array => if (array == null) null else array.toSeq)
      Row(
        if (answer.task.isEmpty) given else answer.task,
        if (isText) answer.answerText else null,
        answer.labels.toSeq,
        answer.scores.toSeq,
        lists(answer.boxes),
        lists(answer.quads),
        answer.polygons.toSeq.map(lists),
        null)
    }
  }

  /** Reads the image struct, by the names of its fields. */
  private class ImageFields(schema: StructType) {
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

    /** Why there is no picture to look at. */
    def problem(image: Row): Option[String] = {
      val told =
        if (metadata < 0 || image.isNullAt(metadata)) None
        else image.getMap[String, String](metadata).get("error")
      if (told.isDefined) told
      else if (image.isNullAt(result)) Some("there is no picture")
      else if (image.getInt(height) < 1 || image.getInt(width) < 1) Some("the picture is empty")
      else if (!Formats.contains(image.getInt(channels))) {
        Some(s"a picture of ${image.getInt(channels)} channels; 1, 3 or 4 are known")
      } else None
    }

    def picture(image: Row): Picture = Picture.fromPixels(image.getAs[Array[Byte]](result),
      image.getInt(width), image.getInt(height), Formats(image.getInt(channels)))
  }

  private val Formats =
    Map(1 -> Picture.Format.GRAY, 3 -> Picture.Format.BGR, 4 -> Picture.Format.BGRA)
}
