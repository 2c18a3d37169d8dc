package uffizi.spark

import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}

import uffizi.Answer

/** Parsed answers in Spark NLP's formats. Numbers and labels are ours: Spark NLP parses some
  * answers incorrectly.
  */
private[spark] object SparkNlpForms {
  /** The prompt that Spark NLP uses for rows without text. It is not a task there, so its answer is
    * text.
    */
  val EmptyText = "<s>Locate the objects with category name in the image.</s>"
  val EmptyPrompt = "Locate the objects with category name in the image."
  private val Grounding = "<CAPTION_TO_PHRASE_GROUNDING>"
  private val mapper = new ObjectMapper()

  /** A region. `parts` are lists of numbers; a box or quad has one. */
  private case class Instance(label: String, parts: Seq[Array[Float]])

  private def regions(answer: Answer): Seq[Instance] = answer.labels.indices.map { i =>
    val shapes = Seq(answer.boxes()(i), answer.quads()(i)).filter(_ != null) ++ answer.polygons()(i)
    Instance(answer.labels()(i), shapes)
  }

  /** In grounding, consecutive boxes of one phrase are one item. */
  private def byPhrase(found: Seq[Instance]): Seq[Instance] =
    found.foldLeft(List.empty[Instance]) {
      case (last :: before, next) if last.label == next.label =>
        Instance(last.label, last.parts ++ next.parts) :: before
      case (all, next) => next :: all
    }.reverse

  /** `florence2_postprocessed_raw`, and `florence2_postprocessed`, which is Scala's string form of
    * it.
    */
  def apply(answer: Answer, text: String): (String, String) = answer.shape match {
    case Answer.Shape.TEXT => pureText(answer.answerText)
    case Answer.Shape.QUADS => shown("OCR", regions(answer), "quadBox", "text", nested = false)
    case Answer.Shape.BOXES if text.contains(Grounding) =>
      shown("PhraseGrounding", byPhrase(regions(answer)), "bbox", "catName", nested = true)
    case Answer.Shape.BOXES => shown("BBox", regions(answer), "bbox", "catName", nested = false)
    case _ if answer.polygons.forall(_.isEmpty) && answer.boxes.exists(_ != null) =>
      shown("BBox", regions(answer), "bbox", "catName", nested = false)
    case _ => shown("Polygon", regions(answer), "polygons", "catName", nested = true)
  }

  def pureText(text: String): (String, String) = {
    val json = mapper.createObjectNode().put("text", text)
    (json.toString, s"PureTextResult($text)")
  }

  private def shown(kind: String, found: Seq[Instance], numbers: String, name: String,
      nested: Boolean): (String, String) = {
    val list = mapper.createArrayNode()
    val words = found.map { instance =>
      val node: ObjectNode = list.addObject()
      val parts = if (nested) instance.parts else instance.parts.take(1)
      if (nested) {
        val outer = node.putArray(numbers)
        parts.foreach(part => add(outer.addArray(), part))
      } else parts.foreach(part => add(node.putArray(numbers), part))
      node.put(name, instance.label)
      val lists = parts.map(_.map(number).mkString("List(", ", ", ")"))
      val shownParts = if (nested) lists.mkString("List(", ", ", ")") else lists.mkString
      kind match {
        case "BBox" => s"BBox($shownParts,${instance.label})"
        case "Polygon" => s"PolygonInstance($shownParts,${instance.label},None)"
        case _ => s"${kind}Instance($shownParts,${instance.label})"
      }
    }
    val plural = Map("BBox" -> "BBoxes", "Polygon" -> "Polygons").getOrElse(kind, kind)
    (list.toString, words.mkString(s"${plural}Result(List(", ", ", "))"))
  }

  private def add(list: ArrayNode, numbers: Array[Float]): Unit =
    numbers.foreach(value => list.add(number(value)))

  /** Spark NLP's numbers are doubles: 57.28 and not 57.279998779296875. */
  private def number(value: Float): Double = value.toString.toDouble
}
