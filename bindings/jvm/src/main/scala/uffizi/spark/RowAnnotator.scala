package uffizi.spark

import java.util.{ArrayList => JavaList, Base64, HashMap => JavaMap}

import scala.collection.mutable

import org.apache.spark.TaskContext
import org.apache.spark.sql.Row
import org.apache.spark.sql.api.java.UDF1
import org.apache.spark.sql.types.StructType

import uffizi._

/** The settings with which tasks answer rows. */
private[spark] case class AnnotatorPlan(
    model: ShippedModel,
    loras: Seq[(ShippedModel, Double)],
    maxEngines: Int,
    preprocessing: Map[String, String],
    compute: String,
    generation: Map[String, String],
    tiles: String,
    task: String,
    thenTasks: Seq[String],
    sparkNlp: Boolean,
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
      val all = asked.flatten
      var waiting = all.flatMap(image => image.items.map(item => (image, item)))
      run(waiting, opened)
      for (next <- plan.thenTasks) {
        waiting = all.flatMap(image => image.follow(next, waiting).map(item => (image, item)))
        run(waiting, opened)
      }
      asked.map(columns)
    } finally opened.reverseIterator.foreach(_.close())
  }

  private def columns(images: Seq[Asked]): Columns = {
    val outcomes = images.flatMap(_.items.map(_.outcome)).filter {
      // Spark NLP drops pictures that it cannot read.
      case failure: Failure => !plan.sparkNlp || !failure.ofPicture
      case _ => true
    }
    Columns(outcomes.map(_.document), if (plan.withStruct) Some(outcomes.map(_.struct)) else None)
  }

  /** Encodes the picture of one annotation; its texts are asked later. */
  private def ask(image: Row, opened: mutable.Buffer[AutoCloseable]): Asked = {
    val texts = if (image == null) Seq("") else fields.texts(image)
    try {
      if (image != null && texts.forall(_ == null)) {
        return new Asked(None, texts.map(_ => new Item(null, null, NullText)))
      }
      val picture = fields.picture(image)
      opened += picture
      val encoded = session.encode(picture, plan.tiles)
      opened += encoded
      new Asked(Some((picture, encoded)), texts.map {
        case null => new Item(null, null, NullText)
        case "" if plan.task.nonEmpty => new Item("", plan.task, null)
        case "" if plan.sparkNlp => new Item(SparkNlpForms.EmptyText, SparkNlpForms.EmptyPrompt, null)
        case "" => new Item("", DefaultText, null)
        case text => new Item(text, text, null)
      })
    } catch {
      case error: UffiziException => new Asked(None, texts.map { text =>
        new Item(text, null, Failure(text, error.code, error.getMessage, ofPicture = true))
      })
    }
  }

  /** Answers all pending questions together. */
  private def run(items: Seq[(Asked, Item)], opened: mutable.Buffer[AutoCloseable]): Unit = {
    val open = items.filter(_._2.outcome == null)
    val questions = new JavaList[Question](open.size)
    for ((image, item) <- open) questions.add(new Question(image.picture.get._2, item.prompt))
    if (questions.isEmpty) return
    val answers = session.run(questions, options)
    RowAnnotator.asked.add(questions.size)
    opened += (() => answers.get(0).close())
    val next = answers.iterator()
    for ((image, item) <- open) item.outcome = outcome(item.text, next.next(), image.picture.get._1)
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
      Success(text, answer, drawn, plan.sparkNlp)
    }
}

private[spark] object RowAnnotator {
  /** Number of questions answered by this JVM's models. */
  val asked = new java.util.concurrent.atomic.LongAdder
  private val JpegQuality = 92
  /** Used if the data has no text, as in Spark NLP. */
  private val DefaultText = "<OD>"
  private val NullText = Failure(null, "invalid_prompt", "the text is null")

  /** A pending question. `text` is the given text, `prompt` the prompt made from it. */
  private class Item(val text: String, val prompt: String, var outcome: Outcome)

  /** A picture, if it can be decoded, and all questions about it. */
  private class Asked(val picture: Option[(Picture, EncodedPicture)], given: Seq[Item]) {
    val items: mutable.Buffer[Item] = given.toBuffer

    /** The follow-up questions for new answers about this picture. */
    def follow(task: String, answered: Seq[(Asked, Item)]): Seq[Item] = {
      val added = for {
        (image, item) <- answered
        if image eq this
        input <- item.outcome match {
          case Success(_, answer, _, _) => Cascade.inputs(answer, task)
          case _ => Nil
        }
      } yield new Item(task + input, task + input, null)
      items ++= added
      added
    }
  }

  /** What a row gets. */
  case class Columns(documents: Seq[Row], structs: Option[Seq[Row]]) {
    def toSeq: Seq[Any] = documents +: structs.toSeq
  }

  /** One annotator per Spark task, closed at the task's end. */
  def ofTask(plan: AnnotatorPlan): RowAnnotator = {
    val task = TaskContext.get()
    val annotator = new RowAnnotator(plan, task.cpus())
    task.addTaskCompletionListener[Unit](_ => annotator.close())
    annotator
  }
}

/** The stage as a function of one row: Spark omits it if no answer is needed, and applies filters
  * before it where possible.
  *
  * Spark calls it again for the same row if answers are filtered and shown. The row's answer is
  * kept until the next row, so that the model runs once.
  */
private[spark] class AnnotateRow(plan: AnnotatorPlan)
    extends UDF1[scala.collection.Seq[Row], Any] {
  @transient private var annotator: RowAnnotator = _
  @transient private var task: TaskContext = _
  @transient private var last: Option[(scala.collection.Seq[Row], Any)] = _

  override def call(images: scala.collection.Seq[Row]): Any = synchronized {
    val current = TaskContext.get()
    if (current == null) {
      // The optimizer evaluates constant expressions on the driver.
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
