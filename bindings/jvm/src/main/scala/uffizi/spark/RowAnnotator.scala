package uffizi.spark

import java.util.{ArrayList => JavaList, Base64, HashMap => JavaMap}

import scala.collection.mutable

import org.apache.spark.TaskContext
import org.apache.spark.sql.Row
import org.apache.spark.sql.api.java.UDF1
import org.apache.spark.sql.types.StructType

import uffizi._

/** What tasks need to know to answer rows. */
private[spark] case class AnnotatorPlan(
    model: ShippedModel,
    maxEngines: Int,
    preprocessing: Map[String, String],
    compute: String,
    generation: Map[String, String],
    annotatedImage: String,
    annotatedPixels: Long,
    maxPixels: Long,
    withStruct: Boolean,
    imageType: StructType)

/** Answers pictures with a session of its JVM's shared engine; used by one thread at a time. */
private[spark] class RowAnnotator(plan: AnnotatorPlan, threads: Int) extends AutoCloseable {
  import RowAnnotator._

  private val engine = SharedEngines.lease(plan, threads)
  private val session = engine.newSession()
  private val fields = new ImageFields(plan.imageType, plan.maxPixels)
  private val options = new JavaMap[String, String]()
  plan.generation.foreach { case (name, value) => options.put(name, value) }

  override def close(): Unit = {
    session.close()
    engine.close()
  }

  /** The columns of answers for each row's pictures. */
  def annotate(rows: Seq[scala.collection.Seq[Row]]): Seq[Columns] = {
    val opened = mutable.ArrayBuffer.empty[AutoCloseable]
    try {
      val asked = rows.map { images =>
        val given = if (images == null) Seq(null) else images.toSeq
        given.map(image => ask(image, opened))
      }
      val questions = new JavaList[Question]()
      for (images <- asked; image <- images; item <- image.items) {
        item.foreach { case (_, question) => questions.add(question) }
      }
      val answers = session.run(questions, options)
      RowAnnotator.asked.add(questions.size)
      if (!answers.isEmpty) opened += (() => answers.get(0).close())
      val next = answers.iterator()
      asked.map { images =>
        val outcomes = images.flatMap { image =>
          image.items.map {
            case Right((text, _)) => outcome(text, next.next(), image.picture.get)
            case Left(failure) => failure
          }
        }
        Columns(outcomes.map(_.document),
          if (plan.withStruct) Some(outcomes.map(_.struct)) else None)
      }
    } finally opened.reverseIterator.foreach(_.close())
  }

  /** Encodes the picture of one annotation and asks its texts about it. */
  private def ask(image: Row, opened: mutable.Buffer[AutoCloseable]): Asked = {
    val texts = if (image == null) Seq("") else fields.texts(image)
    try {
      if (image != null && texts.forall(_ == null)) return Asked(None, texts.map(_ => Left(NullText)))
      val picture = fields.picture(image)
      opened += picture
      val encoded = session.encode(picture)
      opened += encoded
      Asked(Some(picture), texts.map {
        case null => Left(NullText)
        case text => Right((text, new Question(encoded, if (text.isEmpty) DefaultText else text)))
      })
    } catch {
      case error: UffiziException =>
        Asked(None, texts.map(text => Left(Failure(text, error.code, error.getMessage))))
    }
  }

  private def outcome(text: String, answer: Answer, picture: Picture): Outcome =
    if (answer.failed) Failure(text, answer.errorCode, answer.error)
    else {
      val drawn =
        if (plan.annotatedImage == "none" || answer.shape == Answer.Shape.TEXT) None
        else {
          val annotated = answer.draw(picture, plan.annotatedPixels)
          try Some(Base64.getEncoder.encodeToString(
            if (plan.annotatedImage == "png") annotated.png else annotated.jpeg(JpegQuality)))
          finally annotated.close()
        }
      Success(text, answer, drawn)
    }
}

private[spark] object RowAnnotator {
  /** Questions that this JVM's models have been asked. */
  val asked = new java.util.concurrent.atomic.LongAdder
  private val JpegQuality = 92
  /** Asked where the data has no text, as in Spark NLP. */
  private val DefaultText = "<OD>"
  private val NullText = Failure(null, "invalid_prompt", "the text is null")

  /** A picture and, for each text, its question or why it cannot be asked. */
  private case class Asked(
      picture: Option[Picture], items: Seq[Either[Failure, (String, Question)]])

  /** What a row gets. */
  case class Columns(documents: Seq[Row], structs: Option[Seq[Row]]) {
    def toSeq: Seq[Any] = documents +: structs.toSeq
  }

  /** One annotator for all that a task asks for, closed at the task's end. */
  def ofTask(plan: AnnotatorPlan): RowAnnotator = {
    val task = TaskContext.get()
    val annotator = new RowAnnotator(plan, task.cpus())
    task.addTaskCompletionListener[Unit](_ => annotator.close())
    annotator
  }
}

/** The stage as a function of one row: Spark leaves it out where no answer is wanted, and filters
  * before it what is filtered after it.
  *
  * Spark calls it again for the row in hand where answers are filtered and shown. The row's answer
  * is kept until the next row's, so that the model runs once.
  */
private[spark] class AnnotateRow(plan: AnnotatorPlan)
    extends UDF1[scala.collection.Seq[Row], Any] {
  @transient private var annotator: RowAnnotator = _
  @transient private var task: TaskContext = _
  @transient private var last: Option[(scala.collection.Seq[Row], Any)] = _

  override def call(images: scala.collection.Seq[Row]): Any = synchronized {
    val current = TaskContext.get()
    if (current == null) {
      // The optimizer evaluates what is constant on the driver.
      val once = new RowAnnotator(plan, threads = 1)
      try answer(once, images) finally once.close()
    } else {
      if (task ne current) {
        annotator = RowAnnotator.ofTask(plan)
        task = current
        last = None
      }
      last match {
        case Some((asked, result)) if asked == images => result
        case _ =>
          val result = answer(annotator, images)
          last = Some((images, result))
          result
      }
    }
  }

  private def answer(annotator: RowAnnotator, images: scala.collection.Seq[Row]): Any = {
    val columns = annotator.annotate(Seq(images)).head
    if (plan.withStruct) Row.fromSeq(columns.toSeq) else columns.documents
  }
}
