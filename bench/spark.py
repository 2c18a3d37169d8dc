"""Compares the time per picture inside Spark with a bare OpenVINO loop: Florence-2-large's sizes, <OD>, 50
tokens, greedy, batch 1, the same threads. After `./run bench` made its models and `./run jar` the jar:

    PYTHONPATH=bindings/python/src build/spark-env/bin/python bench/spark.py
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

from uffizi.spark import Florence2Transformer, ImageAssembler

HERE = pathlib.Path(__file__).resolve().parent
TOKENS = 50
PICTURES = 4


def measure_stage(frame, florence) -> float:
    """Seconds a picture."""
    start = time.perf_counter()
    rows = florence.transform(ImageAssembler().transform(frame)).select("answer.metadata").collect()
    assert len(rows) == PICTURES and all("error" not in row.metadata[0] for row in rows)
    return (time.perf_counter() - start) / PICTURES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parent / "build" / "bench")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    spark = (
        SparkSession.builder.master(f"local[{args.threads}]")
        .config("spark.task.cpus", args.threads)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    picture = str(HERE.parent / "samples" / "village.jpg")
    frame = (
        spark.read.format("image")
        .load([picture] * PICTURES)
        .withColumn("text", lit("<OD>"))
        .coalesce(1)
        .cache()
    )
    assert frame.count() == PICTURES
    florence = (
        Florence2Transformer.load(str(args.work / "large-int4"))
        .setInputCols(["image_assembler"])
        .setOutputCol("answer")
        .setMinOutputLength(TOKENS + 1)
        .setMaxOutputLength(TOKENS + 1)
        .setNoRepeatNgramSize(0)
        .setAnnotatedImage("none")
    )
    measure_stage(frame, florence)  # loads the model
    peer = [args.work / "env" / "bin" / "python", HERE / "peers.py", "openvino", args.work / "ir"]
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(measure_stage(frame, florence))
        out = subprocess.run(
            [*peer, "--threads", str(args.threads), "--repeats", "1"],
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        theirs.append(json.loads(out)["picture"])
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"Spark stage {mine:.2f} s a picture, bare OpenVINO loop {other:.2f} s: {other / mine:.2f} times"
    )


if __name__ == "__main__":
    main()
