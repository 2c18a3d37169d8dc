package uffizi.spark

import java.io.FileNotFoundException
import java.nio.file.{Files, Paths}
import java.util.{List => JavaList, Map => JavaMap}

import scala.collection.JavaConverters._

import org.apache.hadoop.fs.Path
import org.apache.spark.ml.{PipelineModel, Transformer}
import org.apache.spark.sql.{DataFrame, Dataset, Row, SparkSession}
import org.apache.spark.sql.types.StringType

/** A pipeline for a few pictures at a time, without Spark's jobs: files in, annotations out. Spark
  * NLP's class of that name, as far as it is about pictures.
  */
class LightPipeline(val pipelineModel: PipelineModel) {
  /** Spark NLP's constructor; there are no embeddings here. */
  def this(pipelineModel: PipelineModel, parseEmbeddings: Boolean) = this(pipelineModel)

  private var ignoreUnsupported = false
  def setIgnoreUnsupported(value: Boolean): Unit = ignoreUnsupported = value
  def getIgnoreUnsupported: Boolean = ignoreUnsupported
  def getStages: Array[Transformer] = pipelineModel.stages
  def transform(dataset: Dataset[_]): DataFrame = pipelineModel.transform(dataset)

  private type Columns = Map[String, Seq[IAnnotation]]

  /** The stages' columns for a picture file on any Hadoop file system. */
  def fullAnnotateImage(pathToImage: String, text: String = ""): Map[String, Seq[IAnnotation]] =
    fullAnnotateImages(Array(pathToImage), Array(text)).head

  def fullAnnotateImages(
      pathToImages: Array[String],
      texts: Array[String] = Array.empty): Array[Map[String, Seq[IAnnotation]]] = {
    val asked = if (texts.isEmpty) Array.fill(pathToImages.length)("") else texts
    if (asked.length != pathToImages.length) throw new UnsupportedOperationException(
      s"${pathToImages.length} pictures and ${asked.length} texts: give one for each")
    val rows = pathToImages.zip(asked).map { case (path, text) => (read(path), path, text) }
    run(pipelineModel, rows.map(row => (row, Map.empty: Columns)).toSeq).map(_._2).toArray
  }

  def fullAnnotate(target: String, optionalTarget: String = ""): Map[String, Seq[IAnnotation]] =
    fullAnnotateImage(target, optionalTarget)

  def fullAnnotate(
      targets: Array[String], optionalTargets: Array[String]): Array[Map[String, Seq[IAnnotation]]] =
    fullAnnotateImages(targets, optionalTargets)

  /** Only the results; "" for pictures. */
  def annotate(target: String, optionalTarget: String = ""): Map[String, Seq[String]] =
    results(fullAnnotateImage(target, optionalTarget))

  def annotate(targets: Array[String], optionalTargets: Array[String]): Array[Map[String, Seq[String]]] =
    fullAnnotateImages(targets, optionalTargets).map(results)

  def annotate(targets: Array[String]): Array[Map[String, Seq[String]]] =
    fullAnnotateImages(targets).map(results)

  /** For Java and Python. */
  def fullAnnotateImageJava(
      paths: JavaList[String], texts: JavaList[String]): JavaList[JavaMap[String, JavaList[IAnnotation]]] =
    fullAnnotateImages(paths.asScala.toArray, texts.asScala.toArray).toSeq
      .map(_.map { case (name, list) => name -> list.asJava }.asJava).asJava

  private def results(columns: Columns): Map[String, Seq[String]] = columns.map { case (name, list) =>
    name -> list.map {
      case annotation: Annotation => annotation.result
      case _ => ""
    }
  }

  private def read(path: String): Array[Byte] =
    if (Files.isRegularFile(Paths.get(path.stripPrefix("file:")))) {
      Files.readAllBytes(Paths.get(path.stripPrefix("file:")))
    } else {
      val file = new Path(path)
      val fs = file.getFileSystem(Configurations.of(SparkSession.active))
      if (!fs.exists(file)) throw new FileNotFoundException(s"$path: no such picture")
      val in = fs.open(file)
      try in.readAllBytes() finally in.close()
    }

  private type Picture = (Array[Byte], String, String)

  private def run(model: PipelineModel, pictures: Seq[(Picture, Columns)]): Seq[(Picture, Columns)] =
    model.stages.foldLeft(pictures) { (before, stage) =>
      stage match {
        case assembler: ImageAssembler =>
          before.map { case (picture @ (bytes, path, text), columns) =>
            (picture, columns + (assembler.getOutputCol -> Seq(AnnotationImage(Schemas.ImageType, path,
              -1, -1, -1, -1, bytes, Map("image" -> "0"), text))))
          }
        case florence: Florence2Transformer if florence.getLazyAnnotator => before
        case florence: Florence2Transformer => ask(florence, before)
        case finisher: Finisher => before.map { case (picture, columns) =>
          (picture, columns.filter { case (name, _) => finisher.getInputCols.contains(name) })
        }
        case nested: PipelineModel => run(nested, before)
        case _ if ignoreUnsupported => before
        case other => throw new UnsupportedOperationException(
          s"${other.uid} is no stage for a LightPipeline; setIgnoreUnsupported(true) leaves it out")
      }
    }

  private def ask(florence: Florence2Transformer, before: Seq[(Picture, Columns)]) = {
    val input = florence.getInputCols.head
    val rows = before.map { case (_, columns) =>
      columns.getOrElse(input, throw new IllegalArgumentException(s"there is no column $input")).map {
        case image: AnnotationImage => Row(image.annotatorType, image.origin, image.height, image.width,
          image.nChannels, image.mode, image.result, image.metadata, image.text)
        case _ => throw new IllegalArgumentException(s"column $input must come from ImageAssembler")
      }
    }
    val plan = florence.plan(Schemas.image(StringType), SparkSession.active)
    val annotator = new RowAnnotator(plan, Runtime.getRuntime.availableProcessors)
    // A list, since Scala 2.12's toSeq would ask later, when the annotator is closed.
    try rows.grouped(florence.getBatchSize).flatMap(annotator.annotate(_)).toList.zip(before).map {
      case (answers, (picture, columns)) =>
        (picture, columns + (florence.getOutputCol -> answers.documents.map(Annotation(_))))
    } finally annotator.close()
  }
}
