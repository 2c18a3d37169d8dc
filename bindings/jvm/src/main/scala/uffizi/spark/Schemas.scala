package uffizi.spark

import org.apache.spark.sql.types._

/** The columns that the stages exchange: the structs of Spark NLP, field by field. */
private[spark] object Schemas {
  val ImageType = "image"
  val DocumentType = "document"

  private def field(name: String, dataType: DataType, nullable: Boolean = true) =
    StructField(name, dataType, nullable)

  private val metadata = field("metadata", MapType(StringType, StringType))

  /** One picture. `text` is one text for it, or a list of them. */
  def image(textType: DataType): StructType = StructType(Seq(
    field("annotatorType", StringType),
    field("origin", StringType),
    field("height", IntegerType, nullable = false),
    field("width", IntegerType, nullable = false),
    field("nChannels", IntegerType, nullable = false),
    field("mode", IntegerType, nullable = false),
    field("result", BinaryType),
    metadata,
    field("text", textType)))

  /** One answer. */
  val document: StructType = StructType(Seq(
    field("annotatorType", StringType),
    field("begin", IntegerType, nullable = false),
    field("end", IntegerType, nullable = false),
    field("result", StringType),
    metadata,
    field("embeddings", ArrayType(FloatType, containsNull = false))))

  private val numbers = ArrayType(FloatType, containsNull = false)

  /** One answer with its regions as numbers: the lists have an element for each region. */
  val typed: StructType = StructType(Seq(
    field("task", StringType),
    field("text", StringType),
    field("labels", ArrayType(StringType, containsNull = false)),
    field("scores", ArrayType(FloatType)),  // null: not known
    field("boxes", ArrayType(numbers)),
    field("quads", ArrayType(numbers)),
    field("polygons", ArrayType(ArrayType(numbers, containsNull = false), containsNull = false)),
    field("error", StringType)))

  /** The fields of an image struct that the stages read, whoever made it. */
  def isImage(dataType: DataType, bytesField: String): Boolean = dataType match {
    case struct: StructType =>
      val types = struct.fields.map(f => f.name -> f.dataType).toMap
      Seq("origin" -> StringType, "height" -> IntegerType, "width" -> IntegerType,
        "nChannels" -> IntegerType, "mode" -> IntegerType, bytesField -> BinaryType).forall {
        case (name, wanted) => types.get(name).contains(wanted)
      }
    case _ => false
  }
}
