"""Pictures on Spark: cells for a notebook (Jupyter, VS Code and Databricks open this file as one).

Run from the root of the repository, after `./run jar`, where PySpark and uffizi are installed.
"""

# %% A session like any other; it gets the jar when the first stage is made.
import tempfile

from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import SparkSession
from pyspark.sql.functions import array, col, explode, lit

from uffizi.spark import Florence2Transformer, ImageAssembler

spark = SparkSession.builder.master("local[2]").getOrCreate()

# %% One row for each file; two questions about each picture, which is encoded once.
files = spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg").load("samples")
asked = files.withColumn("text", array(lit("<DETAILED_CAPTION>"), lit("<OD>")))

# %% The model in this repository. For Florence-2 itself: Florence2Transformer.pretrained().
florence = (
    Florence2Transformer.load("models/uffizi-tiny")
    .setInputCols(["image_assembler"])
    .setOutputCol("answer")
    .setStructCol("found")
    .setBatchSize(4)
)
pipeline = Pipeline(stages=[ImageAssembler(inputCol="content"), florence]).fit(asked)
answers = pipeline.transform(asked).select("path", "answer", "found").cache()

# %% Captions.
captions = answers.select("path", col("answer")[0].result.alias("caption"))
captions.show(truncate=60)

# %% A row for each thing that was found, surest first.
things = (
    answers.select("path", explode("found").alias("f"))
    .where("f.task = '<OD>'")
    .selectExpr("path", "inline(arrays_zip(f.labels, f.scores, f.boxes))")
    .orderBy(col("scores").desc())
)
things.show(truncate=60)

# %% What went wrong, row by row; a broken picture never fails the job.
errors = answers.where("answer[0].result is null").selectExpr("path", "answer[0].metadata.error")
errors.show(truncate=False)

# %% The fitted pipeline is saved with its model, here or on any Hadoop file system.
saved = tempfile.mkdtemp() + "/florence-pipeline"
pipeline.write().overwrite().save(saved)
again = PipelineModel.load(saved).transform(asked.limit(1))
again.select("answer.result").show(truncate=60)
