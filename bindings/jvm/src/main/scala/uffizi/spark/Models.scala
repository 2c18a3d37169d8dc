package uffizi.spark

import java.io.FileNotFoundException
import java.nio.file.{Files, Path => LocalPath, StandardCopyOption}

import org.apache.hadoop.fs.Path
import org.apache.spark.sql.SparkSession

import uffizi.{Engine, UffiziException}

/** Models by name. */
private[spark] object Models {
  /** The model of `pretrained()`, as in Spark NLP. */
  val Default = "florence_2_base_ft_int4"
  val Language = "en"
  /** Spark NLP's Python and Scala use different names for their default. */
  private val Aliases = Map("florence2_base_ft_int4" -> Default)
  /** Names the model of `pretrained()`, here as for the command line. */
  private val EnvironmentVariable = "UFFIZI_MODEL"

  /** The default folder or artifact. */
  def findDefault(spark: SparkSession): String =
    find(Option(System.getenv(EnvironmentVariable)).filter(_.nonEmpty).getOrElse(Default), Language,
      null, spark)

  /** Locates a model by its name or path; see Florence2Transformer.pretrained. */
  def find(given: String, lang: String, remoteLoc: String, spark: SparkSession): String = {
    require(lang == Language, s"models know $Language only, not $lang")
    val conf = Configurations.of(spark)
    val place =
      Option(remoteLoc).orElse(spark.conf.getOption(Florence2Transformer.ModelsSetting))
    val names = (given +: Aliases.get(given).toSeq)
    val inPlace = for {
      folder <- place.iterator
      name <- names.iterator
      found <- ModelFiles.find(folder, name, s"${name}_${lang}_*.zip", conf).iterator
    } yield found
    val name = names.last
    if (inPlace.hasNext) inPlace.next()
    else if (remoteLoc != null) throw missing(given, place, null)
    else if (isPath(given) && new Path(given).getFileSystem(conf).exists(new Path(given))) given
    else if (name == BundledModel.Name) s"file://${BundledModel.folder}"
    else try s"file://${Engine.resolve(name).toAbsolutePath}"
    catch { case error: UffiziException => throw missing(given, place, error) }
  }

  /** A LoRA adapter by folder or name. */
  def findAdapter(given: String, spark: SparkSession): ModelFiles = {
    val conf = Configurations.of(spark)
    val path = new Path(given)
    if (isPath(given) && path.getFileSystem(conf).exists(path)) ModelFiles.list(given, conf)
    else ModelFiles.list(s"file://${Engine.resolve(given).toAbsolutePath}", conf)
  }

  private def isPath(name: String): Boolean = name.contains("/") || name.endsWith(".zip")

  private def missing(name: String, place: Option[String], cause: UffiziException) = {
    val looked = place.fold("")(" in " + _)
    val error = new FileNotFoundException(s"no model called $name$looked; put its folder in one that " +
      s"${Florence2Transformer.ModelsSetting} or remoteLoc names, or name another in " +
      s"$EnvironmentVariable; ${BundledModel.Name} is in this jar" +
      Option(cause).fold("")(" (" + _.getMessage + ")"))
    error.initCause(cause)
    error
  }
}

/** The small model in the jar, to try the stages. */
private[spark] object BundledModel {
  val Name = "uffizi-tiny"
  private val Place = s"/uffizi/models/$Name"
  private val FileNames = Seq("ATTRIBUTION.md", "LICENSE", "README.md", "config.json",
    "generation_config.json", "model.safetensors", "preprocessor_config.json",
    "processor_config.json", "tokenizer.json", "tokenizer_config.json")

  /** A temporary folder with its files, which is removed when the JVM exits. */
  lazy val folder: LocalPath = {
    val folder = Files.createTempDirectory(s"$Name-")
    folder.toFile.deleteOnExit()
    for (name <- FileNames) {
      val in = getClass.getResourceAsStream(s"$Place/$name")
      if (in == null) throw new FileNotFoundException(s"this jar holds no $Place/$name")
      val file = folder.resolve(name)
      try Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING) finally in.close()
      file.toFile.deleteOnExit()
    }
    folder
  }
}
