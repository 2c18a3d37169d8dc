package uffizi.spark

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.{PipelineModel, Transformer}
import org.apache.spark.ml.util.MLWritable
import org.apache.spark.sql.SparkSession
import org.slf4j.LoggerFactory

/** Pipelines that Spark NLP saved. */
object SparkNlp {
  private val log = LoggerFactory.getLogger(getClass)
  private val mapper = new ObjectMapper()

  /** Converts a pipeline (or a Florence2Transformer) that Spark NLP saved: writes it with these
    * stages instead of Spark NLP's. Both paths are on any Hadoop file system; `out` must not exist.
    */
  def convert(path: String, out: String): Unit = convert(path, out, SparkSession.active)

  def convert(path: String, out: String, spark: SparkSession): Unit = {
    val stage = read(new Path(path), spark)
    stage.asInstanceOf[MLWritable].save(out)
  }

  private def read(path: Path, spark: SparkSession): Transformer = {
    val metadata = readMetadata(path, spark)
    val kind = metadata.path("class").asText
    kind match {
      case "org.apache.spark.ml.PipelineModel" | "pyspark.ml.pipeline.PipelineModel" =>
        pipeline(metadata.path("uid").asText, stages(path, spark).map(read(_, spark)))
      case "com.johnsnowlabs.nlp.ImageAssembler" =>
        withParams(new ImageAssembler(metadata.path("uid").asText), metadata)
      case "com.johnsnowlabs.nlp.Finisher" =>
        withParams(new Finisher(metadata.path("uid").asText), metadata)
      case "com.johnsnowlabs.nlp.annotators.cv.Florence2Transformer" =>
        val stage = new Florence2Transformer(metadata.path("uid").asText)
        withParams(stage.openModel(path.toString, spark), metadata)
      case other if other.startsWith("com.johnsnowlabs.") => throw new IllegalArgumentException(
        s"$path holds a $other, for which there is no stage here")
      case other => Class.forName(other, true, Thread.currentThread.getContextClassLoader)
          .getMethod("load", classOf[String]).invoke(null, path.toString).asInstanceOf[Transformer]
    }
  }

  private def readMetadata(path: Path, spark: SparkSession): JsonNode = {
    val conf = Configurations.of(spark)
    val parts = Option(path.getFileSystem(conf).globStatus(new Path(path, "metadata/part-*")))
      .toSeq.flatten.map(_.getPath).sortBy(_.getName)
    if (parts.isEmpty) throw new IllegalArgumentException(s"$path is nothing that Spark ML saved")
    val text = parts.flatMap(part => ModelFiles.read(part.getParent.toString, part.getName, conf)).mkString
    mapper.readTree(text)
  }

  /** The stages' folders, named by number and uid, in order. */
  private def stages(path: Path, spark: SparkSession): Seq[Path] =
    path.getFileSystem(Configurations.of(spark)).listStatus(new Path(path, "stages")).toSeq
      .filter(_.isDirectory).map(_.getPath).sortBy(_.getName.takeWhile(_ != '_').toInt)

  /** Its constructor is private to Spark. */
  private def pipeline(uid: String, stages: Seq[Transformer]): PipelineModel = {
    val list = new java.util.ArrayList[Transformer]()
    stages.foreach(list.add)
    val constructor = classOf[PipelineModel].getDeclaredConstructor(classOf[String], classOf[java.util.List[_]])
    constructor.setAccessible(true)
    constructor.newInstance(uid, list)
  }

  /** Copies parameters that were set there, if they exist here and differ from the model's
    * defaults.
    */
  private def withParams[T <: Transformer](stage: T, metadata: JsonNode): T = {
    val given = metadata.path("paramMap").fields()
    while (given.hasNext) {
      val entry = given.next()
      val name = entry.getKey
      if (!stage.hasParam(name)) log.info(s"${stage.uid} knows no $name: left out")
      else {
        val param = stage.getParam(name).asInstanceOf[org.apache.spark.ml.param.Param[Any]]
        val value = param.jsonDecode(entry.getValue.toString)
        val same = stage.getDefault(param).exists {
          case array: Array[_] => array.sameElements(value.asInstanceOf[Array[_]])
          case other => other == value
        }
        if (!same) stage.set(param, value)
      }
    }
    stage
  }
}
