package uffizi.spark

import java.io.{ByteArrayOutputStream, ObjectOutputStream}
import java.nio.file.{Files, Path, Paths}

import org.apache.spark.SparkFiles
import org.apache.spark.sql.functions._
import org.apache.spark.sql.types.{ArrayType, StructType}
import org.junit.jupiter.api.Assertions._
import org.junit.jupiter.api.{AfterEach, BeforeEach, Test}

/** Which engines are loaded, and when they go. */
class EnginesTest {
  private val spark = SparkFixture.spark
  private val images = new ImageAssembler().transform(
    spark.read.format("image").load(SparkFixture.pictures(2).toString).withColumn("text", lit("<CAPTION>")))

  private def run(stage: Florence2Transformer): Int = {
    stage.setMaxOutputLength(3).transform(images).select("answer").collect()
    SharedEngines.count
  }

  @BeforeEach @AfterEach def clean(): Unit = {
    spark.conf.unset(Florence2Transformer.MaxEnginesSetting)
    assertTrue(Florence2Transformer.unload() >= 0)
    assertEquals(0, SharedEngines.count)
  }

  @Test def aModelSavedAgainIsTheSameModel(): Unit = {
    val place = Files.createTempDirectory("uffizi-again-")
    spark.conf.set(Florence2Transformer.MaxEnginesSetting, "9")
    val stage = Florence2Transformer.load(SparkFixture.model)
    for (i <- 0 until 9) {
      val saved = place.resolve(if (i < 5) "same" else s"other$i").toString
      stage.write.overwrite().save(saved)
      assertEquals(1, run(Florence2Transformer.load(saved)), s"after $i")
    }
  }

  @Test def theLeastUsedGoes(): Unit = {
    spark.conf.set(Florence2Transformer.MaxEnginesSetting, "2")
    def stage = Florence2Transformer.load(SparkFixture.model)
    assertEquals(1, run(stage))
    assertEquals(2, run(stage.setCompute("f32")))
    assertEquals(2, run(stage.setSize(96)))
    assertEquals(2, run(stage.setSize(128)))
    spark.conf.set(Florence2Transformer.MaxEnginesSetting, "1")
    assertEquals(1, run(stage))
  }

  /** Copies that executors made of a model go with its last engine. */
  @Test def copiesGoWithTheirEngine(): Unit = {
    spark.conf.set("fs.viewfs.mounttable.engines.link./models",
      Paths.get(SparkFixture.model).getParent.toUri.toString)
    def copies: Seq[Path] = {
      val found = Files.list(Paths.get(SparkFiles.getRootDirectory()))
      try found.toArray.toSeq.map(_.asInstanceOf[Path])
        .filter(_.getFileName.toString.startsWith("uffizi-model-"))
      finally found.close()
    }
    val before = copies.size
    assertEquals(1, run(Florence2Transformer.load("viewfs://engines/models/uffizi-tiny")))
    assertEquals(before + 1, copies.size)
    assertEquals(1, run(Florence2Transformer.load(SparkFixture.model)), "the same files")
    assertEquals(before + 1, copies.size)
    assertEquals(1, Florence2Transformer.unload())
    assertEquals(before, copies.size)
  }

  /** `spark.conf.set` of file systems' settings, and what of all settings leaves the driver. */
  @Test def settingsOfTheSession(): Unit = {
    spark.conf.set("fs.viewfs.mounttable.session.link./m",
      Paths.get(SparkFixture.model).getParent.toUri.toString)
    try assertEquals(1, run(Florence2Transformer.load("viewfs://session/m/uffizi-tiny")))
    finally spark.conf.unset("fs.viewfs.mounttable.session.link./m")
    spark.conf.set("fs.azure.account.key.store.dfs.core.windows.net", "secret")
    val conf = Configurations.of(spark)
    conf.set("fs.s3a.secret.key", "other secret")
    conf.set("fs.s3a.endpoint", "there")
    conf.set("javax.jdo.option.ConnectionPassword", "third secret")
    try {
      val azure = Configurations.needed(conf, "abfss")
      assertEquals("secret", azure.get("fs.azure.account.key.store.dfs.core.windows.net"))
      assertNull(azure.get("fs.s3a.secret.key"))
      assertNull(azure.get("javax.jdo.option.ConnectionPassword"))
      assertEquals("file:///", azure.get("fs.defaultFS"))
      val s3 = Configurations.needed(conf, "s3a")
      assertEquals("other secret", s3.get("fs.s3a.secret.key"))
      assertNull(s3.get("fs.azure.account.key.store.dfs.core.windows.net"))
      assertFalse(s3.get("fs.s3a.buffer.dir").contains("${hadoop.tmp.dir}"))
    } finally spark.conf.unset("fs.azure.account.key.store.dfs.core.windows.net")
  }

  /** Tasks carry the stage's settings, and of Hadoop's configuration nothing: it is in a broadcast. */
  @Test def tasksCarryNoSecrets(): Unit = {
    val name = "fs.viewfs.mounttable.carried.link./m"
    spark.conf.set(name, Paths.get(SparkFixture.model).getParent.toUri.toString)
    spark.sparkContext.hadoopConfiguration.set("javax.jdo.option.ConnectionPassword", "a secret")
    try {
      val stage = Florence2Transformer.load("viewfs://carried/m/uffizi-tiny")
      val image = images.schema("image_assembler").dataType.asInstanceOf[ArrayType]
        .elementType.asInstanceOf[StructType]
      val bytes = new ByteArrayOutputStream()
      new ObjectOutputStream(bytes).writeObject(new AnnotateRow(stage.plan(image, spark)))
      val carried = bytes.toString("ISO-8859-1")
      assertTrue(carried.contains("max_length"), "the settings of the stage")
      for (words <- Seq("a secret", "fs.viewfs.mounttable", "hadoop.tmp.dir")) {
        assertFalse(carried.contains(words), words)
      }
    } finally {
      spark.conf.unset(name)
      spark.sparkContext.hadoopConfiguration.unset("javax.jdo.option.ConnectionPassword")
    }
  }

  @Test def theModelInTheJar(): Unit = {
    assertEquals(1, run(Florence2Transformer.load(SparkFixture.model)))
    assertEquals(1, run(Florence2Transformer.pretrained("uffizi-tiny")), "the same files, all of them")
  }

  @Test def theNameOfSparkNlpsPython(): Unit =
    assertEquals(1, run(Florence2Transformer.pretrained("florence2_base_ft_int4")))

  /** Told on the driver, before any task runs. */
  @Test def brokenModels(): Unit = {
    def broken(words: String)(change: Path => Any): Unit = {
      val folder = Files.createTempDirectory("uffizi-broken-")
      val files = Files.list(Paths.get(SparkFixture.model))
      try files.forEach { file => Files.copy(file, folder.resolve(file.getFileName)); () }
      finally files.close()
      change(folder)
      val error = assertThrows(classOf[Exception], () => { Florence2Transformer.load(folder.toString); () })
      assertTrue(error.getMessage.contains(words) && error.getMessage.contains(folder.toString), error.getMessage)
    }
    def write(file: Path, text: String) = Files.write(file, text.getBytes("UTF-8"))
    val weights = Files.readAllBytes(Paths.get(SparkFixture.model, "model.safetensors"))
    broken("it was cut")(f => Files.write(f.resolve("model.safetensors"), weights.dropRight(1)))
    broken("within its header")(f => Files.write(f.resolve("model.safetensors"), weights.take(5000)))
    broken("Git LFS")(f => write(f.resolve("model.safetensors"), "version https://git-lfs.github.com/spec/v1\n"))
    broken("model.safetensors is not there")(f => Files.delete(f.resolve("model.safetensors")))
    broken("broken JSON")(f => write(f.resolve("config.json"), "{\"model_type\": "))
    broken("a bart model")(f => write(f.resolve("config.json"), "{\"model_type\": \"bart\"}"))
    broken("tokenizer.json is empty")(f => write(f.resolve("tokenizer.json"), ""))
    broken("tokenizer.json is not there")(f => Files.delete(f.resolve("tokenizer.json")))
    broken("lacks the tensor")(f => write(f.resolve("model.safetensors.index.json"),
      "{\"weight_map\": {\"no.such\": \"model.safetensors\"}}"))
    // Broken after it was loaded.
    val stage = new Florence2Transformer()
    val folder = Files.createTempDirectory("uffizi-gone-").resolve("model")
    stage.setModel(folder.toString)
    assertThrows(classOf[java.io.FileNotFoundException], () => { stage.transform(images); () })
  }

  @Test def aPipelineIsNoModel(): Unit = {
    val place = Files.createTempDirectory("uffizi-pipeline-").resolve("p").toString
    new org.apache.spark.ml.Pipeline().setStages(Array(Florence2Transformer.load(SparkFixture.model)))
      .fit(images).save(place)
    val error = assertThrows(classOf[Exception], () => { Florence2Transformer.load(place); () })
    assertTrue(error.getMessage.contains("PipelineModel.load"), error.getMessage)
  }

  @Test def wrongJars(): Unit = {
    assertNull(SparkStage.mismatch("4", "2.13", "4.0.1", "2.13.16"))
    assertNull(SparkStage.mismatch("3.5", "2.12", "3.5.1-amzn-0", "2.12.18"))
    assertTrue(SparkStage.mismatch("4", "2.13", "3.5.6", "2.12.18").contains("take uffizi-spark3.5_2.12"))
    assertTrue(SparkStage.mismatch("3.5", "2.12", "3.5.6", "2.13.8").contains("take uffizi-spark3.5_2.13"))
    assertTrue(SparkStage.mismatch("3.5", "2.12", "3.3.0", "2.12.18").contains("there is no jar"))
  }
}
