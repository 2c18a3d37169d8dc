#!/usr/bin/env python3
"""Runs many tiny pictures through a local cluster of processes with failures.

A driver and two executors (local-cluster) with speculation and dynamic allocation. One executor is repeatedly
suspended, so that it is slow; another is killed after a third of the run. Afterwards every row must be there
once with the answer that its picture gives alone, and the memory of all processes must not have
grown from the first fifth to the last. Memory is what the operating system says a process holds
(RSS), and of the Java heap what is in use after collections (jstat).

    ./run jar && build/spark-env/bin/python bench/spark_scale.py --pictures 100000

needs some 4 GB. At 6 ms a picture and core 100,000 take 10 minutes on two free cores.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests" / "system" / "spark"))
import conftest  # noqa: E402 - uffizi.spark of the source tree, and pictures

KINDS = 24  # different pictures


def executors(driver: int) -> list[int]:
    """Process ids of the executors that run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in words and _descends(
            int(folder.name), driver
        ):
            found.append(int(folder.name))
    return sorted(found)


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def memory(pid: int) -> tuple[float, float]:
    """Megabytes that a process holds, and of them what its Java heap has in use."""
    status = Path(f"/proc/{pid}/status").read_text()
    held = int(status.split("VmRSS:")[1].split()[0]) / 1024
    heap = subprocess.run(["jstat", "-gc", str(pid)], capture_output=True, text=True, check=False)
    if heap.returncode:
        return held, 0.0
    names, values = (line.split() for line in heap.stdout.splitlines()[:2])
    gc = dict(zip(names, values))
    return held, sum(float(gc.get(name, 0)) for name in ("S0U", "S1U", "OU")) / 1024


class Watch(threading.Thread):
    """Looks at all processes, makes one executor slow and kills another."""

    def __init__(self, spark, pictures: int, partitions: int, quiet: bool) -> None:
        super().__init__(daemon=True)
        self.spark, self.pictures, self.partitions, self.quiet = spark, pictures, partitions, quiet
        self.jvm = int(spark.sparkContext._gateway.proc.pid)
        self.samples: list[dict] = []
        self.killed = self.slowed = 0
        self.ended = False

    def done(self) -> int:
        tracker = self.spark.sparkContext.statusTracker()
        infos = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return max(
            [i.numCompletedTasks for i in infos if i and i.numTasks == self.partitions], default=0
        )

    def run(self) -> None:
        while not self.ended:
            share = self.done() / self.partitions
            pids = executors(os.getpid())
            if pids and share > 0:
                self._disturb(share, pids)
            sample = {"share": round(share, 3), "driver": memory(self.jvm)}
            for pid in executors(os.getpid()):
                try:
                    sample[str(pid)] = memory(pid)
                except OSError:
                    continue
            self.samples.append(sample)
            if not self.quiet:
                print(json.dumps(sample), flush=True)
            time.sleep(2)

    def _disturb(self, share: float, pids: list[int]) -> None:
        if self.killed == 0 and 0.33 < share < 0.8 and len(pids) > 1:
            os.kill(pids[0], signal.SIGKILL)
            self.killed += 1
            print(json.dumps({"killed": pids[0], "share": share}), flush=True)
        elif len(pids) > 1 and 0.1 < share < 0.9 and self.slowed < 8:
            self.slowed += 1
            os.kill(pids[-1], signal.SIGSTOP)
            time.sleep(3)
            os.kill(pids[-1], signal.SIGCONT)


def session(cores: int, master: str):
    from pyspark.sql import SparkSession

    import uffizi.spark

    import pyspark

    os.environ.setdefault("SPARK_HOME", str(Path(pyspark.__file__).parent))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.jars": uffizi.spark.jar(),
        "spark.executor.memory": "700m",
        "spark.driver.memory": "700m",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.speculation": "true",
        "spark.speculation.quantile": "0.5",
        "spark.speculation.multiplier": "2",
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.dynamicAllocation.maxExecutors": "2",
        "spark.executor.cores": str(cores),
        "spark.sql.shuffle.partitions": "4",
        "spark.local.dir": tempfile.mkdtemp(prefix="uffizi-scale-"),
    }
    builder = SparkSession.builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def frame(spark, pictures: int, partitions: int):
    from pyspark.sql.functions import array, col, element_at, lit

    kinds = array(*[lit(conftest.png(48, 48, shift)) for shift in range(KINDS)])
    rows = spark.range(0, pictures, 1, partitions)
    return rows.withColumn(
        "content", element_at(kinds, (col("id") % KINDS + 1).cast("int"))
    ).withColumn("text", lit("<CAPTION>"))


def growth(samples: list[dict], name: str, part: int) -> float:
    """Growth in megabytes from the median of the second fifth of the run to that of the last fifth."""
    ours = [s for s in samples if name in s and s["share"] > 0]
    if len(ours) < 10:
        return 0.0
    fifth = len(ours) // 5
    middle = lambda some: sorted(s[name][part] for s in some)[len(some) // 2]  # noqa: E731
    return middle(ours[-fifth:]) - middle(ours[fifth : 2 * fifth])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument(
        "--partitions", type=int, default=0, help="one for each 250 pictures if not given"
    )
    parser.add_argument("--cores", type=int, default=1, help="of each of the two executors")
    parser.add_argument(
        "--quiet", action="store_true", help="no line for each look at the processes"
    )
    arguments = parser.parse_args()
    partitions = arguments.partitions or max(24, arguments.pictures // 250)

    spark = session(arguments.cores, f"local-cluster[2,{arguments.cores},1100]")
    from uffizi.spark import Florence2Transformer, ImageAssembler

    florence = (
        Florence2Transformer.pretrained("uffizi-tiny")
        .setAnnotatedImage("none")
        .setMaxOutputLength(12)
    )
    data = frame(spark, arguments.pictures, partitions)
    answered = florence.transform(ImageAssembler(inputCol="content").transform(data))
    watch = Watch(spark, arguments.pictures, partitions, arguments.quiet)
    watch.start()
    out = tempfile.mkdtemp(prefix="uffizi-scale-") + "/answers"
    start = time.monotonic()
    answered.selectExpr("id", "answer[0].result result").write.parquet(out)
    seconds = time.monotonic() - start
    watch.ended = True
    watch.join()

    rows = spark.read.parquet(out)
    count, distinct = rows.count(), rows.select("id").distinct().count()
    answers = rows.selectExpr(f"id % {KINDS} kind", "result").distinct().collect()
    names = {name for sample in watch.samples for name in sample} - {"share"}
    growths = {
        name: {
            "held": round(growth(watch.samples, name, 0)),
            "heap": round(growth(watch.samples, name, 1)),
        }
        for name in sorted(names)
    }
    summary = {
        "pictures": arguments.pictures,
        "seconds": round(seconds, 1),
        "rows": count,
        "ids": distinct,
        "answers of a picture": round(len(answers) / KINDS, 3),
        "null": sum(row.result is None for row in answers),
        "killed": watch.killed,
        "slowed": watch.slowed,
        "most MB held": {
            n: round(max(s[n][0] for s in watch.samples if n in s)) for n in sorted(names)
        },
        "growth in MB": growths,
    }
    print(json.dumps(summary, indent=2))
    spark.stop()
    failures = []
    if not count == distinct == arguments.pictures:
        failures.append("rows are missing or there twice")
    if len(answers) != KINDS or any(row.result is None for row in answers):
        failures.append("equal pictures have different answers")
    if not watch.killed:
        failures.append("no executor was killed: too few pictures, or too fast")
    if any(g["held"] > 120 for g in growths.values()):
        failures.append("memory grew")
    if failures:
        sys.exit("; ".join(failures))


if __name__ == "__main__":
    main()
