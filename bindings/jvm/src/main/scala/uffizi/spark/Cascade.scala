package uffizi.spark

import uffizi.Answer

/** Follow-up tasks, like the command line's --then: a task that takes text gets the answer's text,
  * or is asked once for each distinct label; a task that takes a region is asked about each region.
  */
private[spark] object Cascade {
  private val TakeText = Set("<CAPTION_TO_PHRASE_GROUNDING>", "<REFERRING_EXPRESSION_SEGMENTATION>",
    "<OPEN_VOCABULARY_DETECTION>")
  private val TakeRegion = Set("<REGION_TO_SEGMENTATION>", "<REGION_TO_CATEGORY>",
    "<REGION_TO_DESCRIPTION>", "<REGION_TO_OCR>")

  def takesInput(task: String): Boolean = TakeText.contains(task) || TakeRegion.contains(task)

  /** The inputs that an answer gives to a task. */
  def inputs(answer: Answer, task: String): Seq[String] =
    if (answer.shape == Answer.Shape.TEXT) {
      if (TakeText.contains(task)) Seq(answer.answerText.trim).filter(_.nonEmpty) else Nil
    } else if (TakeRegion.contains(task)) answer.labels.indices.flatMap(region(answer, _))
    else answer.labels.toSeq.filter(_.nonEmpty).distinct

  /** The box around a region, in pixels. */
  private def region(answer: Answer, index: Int): Option[String] = {
    val points = (Seq(answer.boxes()(index), answer.quads()(index)).filter(_ != null) ++
      answer.polygons()(index)).flatMap(_.toSeq)
    if (points.size < 4) None
    else {
      val (x, y) = points.indices.partition(_ % 2 == 0)
      Some(Seq(x.map(points).min, y.map(points).min, x.map(points).max, y.map(points).max).mkString(","))
    }
  }
}
