package uffizi.spark

import org.apache.spark.sql.Row

import uffizi.Answer

/** What a question gave, as the columns show it. */
private[spark] sealed trait Outcome {
  def document: Row
  def struct: Row
}

/** @param ofPicture the picture is at fault, and not the text */
private[spark] case class Failure(
    text: String, code: String, reason: String, ofPicture: Boolean = false) extends Outcome {
  override def document: Row = Row(Schemas.DocumentType, 0, -1, null,
    Map("task" -> text, "error" -> reason, "error_code" -> code), Seq.empty[Float])
  override def struct: Row = Row(text, null, null, null, null, null, null, reason)
}

/** @param drawn the picture with the answer on it, base64 */
private[spark] case class Success(
    given: String, answer: Answer, drawn: Option[String], sparkNlp: Boolean) extends Outcome {
  private def isText = answer.shape == Answer.Shape.TEXT

  override def document: Row = {
    val text = Outcome.SpecialTokens.foldLeft(answer.text)((t, token) => t.replace(token, "")).trim
    val (raw, shown) =
      if (sparkNlp) SparkNlpForms(answer, given)
      else (answer.json, if (isText) answer.answerText else describeRegions)
    val metadata = Map(
      "task" -> given,
      "florence2_postprocessed" -> shown,
      "florence2_postprocessed_raw" -> raw) ++
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
      answer.scores.toSeq.map(score => if (score.isNaN) null else Float.box(score)),
      lists(answer.boxes),
      lists(answer.quads),
      answer.polygons.toSeq.map(lists),
      null)
  }
}

private[spark] object Outcome {
  private[spark] val SpecialTokens = Seq("<s>", "</s>", "<pad>")
}
