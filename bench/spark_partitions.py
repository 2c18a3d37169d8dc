"""Measures how partitions, cores per task and rows per batch change the pictures per second of one executor.

Every combination is measured in turn, in several rounds, on the same pictures; medians count. After `./run jar`:

    build/spark-env/bin/python bench/spark_partitions.py [--model FOLDER] [--pictures N]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests" / "system" / "spark"))
import conftest  # noqa: E402 - uffizi.spark of the source tree, and pictures


def session(cores, task_cpus):
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.task.cpus", task_cpus)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def cpu_seconds(spark):
    """What the JVM has used so far."""
    stat = Path(f"/proc/{spark.sparkContext._gateway.proc.pid}/stat").read_text()
    return sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def measure(spark, model, pictures, count, partitions, batch):
    """Pictures per second, and CPU seconds per picture."""
    from pyspark.sql.functions import col, lit

    from uffizi.spark import Florence2Transformer, ImageAssembler

    files = spark.read.format("binaryFile").load(pictures).select("path", "content").collect()
    rows = [(i, files[i % len(files)].content) for i in range(count)]
    data = spark.createDataFrame(
        spark.sparkContext.parallelize(rows, partitions), ["id", "content"]
    )
    data = data.withColumn("text", lit("<OD>")).cache()
    assert data.count() == count and data.rdd.getNumPartitions() == partitions
    stage = Florence2Transformer.load(model).setAnnotatedImage("none").setBatchSize(batch)
    stage.setMaxOutputLength(50)
    answered = stage.transform(ImageAssembler(inputCol="content").transform(data))
    start, cpu = time.perf_counter(), cpu_seconds(spark)
    texts = answered.select(col("answer.result")[0]).collect()
    seconds = time.perf_counter() - start
    cpu = cpu_seconds(spark) - cpu
    data.unpersist()
    assert len(texts) == count and all(text[0] for text in texts)
    return count / seconds, cpu / count


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default=str(SOURCE / "models" / "uffizi-tiny"))
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--partitions", type=int, nargs="*", default=[1, 2, 8])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    taken = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        pictures = conftest.write_pictures(Path(folder) / "pictures", 8)
        for turn in range(arguments.rounds + 1):
            for task_cpus in (1, arguments.cores):
                spark = session(arguments.cores, task_cpus)
                for partitions in arguments.partitions:
                    for batch in arguments.batches:
                        result = measure(
                            spark,
                            arguments.model,
                            str(pictures),
                            arguments.pictures,
                            partitions,
                            batch,
                        )
                        if turn:  # the first one loads the model and compiles Java's code
                            taken[task_cpus, partitions, batch].append(result)
                spark.stop()
    print("task cpus  partitions  batch  pictures/s  CPU s/picture")
    for (task_cpus, partitions, batch), results in sorted(taken.items()):
        speed, cpu = (statistics.median(values) for values in zip(*results))
        print(f"{task_cpus:9}  {partitions:10}  {batch:5}  {speed:10.3f}  {cpu:13.4f}")


if __name__ == "__main__":
    main()
