"""Many pictures on executors that come and go: every row once, and memory that stays flat.

Two executors with dynamic allocation and speculation; one is killed, and one is slowed. The number of
pictures is in UFFIZI_SCALE; `scripts/spark_test.sh BUILD_DIR scale N` sets it.
"""

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from clusters import HOME, processes
from conftest import png

PICTURES = int(os.environ.get("UFFIZI_SCALE", "20000"))
PER_PARTITION = 100
KINDS = 8  # of pictures
MEGABYTES = 25  # by which a process may grow in the last half of its life
SAMPLES = 6  # that a process must have in that half to be judged

# Runs as a process of its own and tells how many tasks are done.
DRIVER = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
import conftest
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, lit

_, _, pictures, count, per_partition, out = sys.argv
partitions = max(2, int(count) // int(per_partition))
builder = SparkSession.builder.master("local-cluster[2,1,1024]")
for name, value in {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "512m",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "1",
    # The heap has one size from the start, so that the process grows by native memory only.
    "spark.driver.extraJavaOptions": "-Xms512m -XX:+AlwaysPreTouch",
    "spark.executor.extraJavaOptions": "-Xms512m -XX:+AlwaysPreTouch",
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.initialExecutors": "1",
    "spark.dynamicAllocation.minExecutors": "1",
    "spark.dynamicAllocation.maxExecutors": "2",
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.multiplier": "1.5",
    "spark.speculation.minTaskRuntime": "1s",
    "spark.task.maxFailures": "10",
}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
from uffizi.spark import Florence2Transformer, ImageAssembler

print("application", spark.sparkContext.applicationId, flush=True)
kinds = spark.read.format("binaryFile").load(pictures).orderBy("path").select("content").collect()
content = "element_at(array(" + ",".join(f"X'{bytes(k.content).hex()}'" for k in kinds) + ")"
data = (
    spark.range(0, int(count), 1, partitions)
    .selectExpr("id", content + f", cast(id % {len(kinds)} as int) + 1) content", "string(id) path")
    .withColumn("text", lit("<CAPTION>"))
)
florence = Florence2Transformer.loadSavedModel(str(conftest.MODEL), spark).setMaxOutputLength(4).setSize(64)
answered = florence.transform(ImageAssembler(inputCol="content").transform(data))

def tell():
    tracker = spark.sparkContext.statusTracker()
    while True:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info and info.numTasks == partitions:
                print("done", info.numCompletedTasks, partitions, flush=True)
        time.sleep(0.2)

threading.Thread(target=tell, daemon=True).start()
answered.selectExpr("id", "answer[0].result result").write.parquet(out)
print("written", flush=True)
rows = spark.read.parquet(out)
kind = (col("id") % len(kinds)).alias("kind")
print("rows", rows.count(), rows.select("id").distinct().count(),
      rows.where(f"id >= 0 and id < {count} and result is not null").count(),
      rows.select(kind, "result").distinct().count(), flush=True)
spark.stop()
"""


def java_processes(application, driver):
    """Their ids: the driver's JVM, and those of the executors that live."""
    executors = []
    jvm = None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode().split("\0")
            if "CoarseGrainedExecutorBackend" in " ".join(command) and application in command:
                executors.append(int(entry.name))
            elif "java" in command[0] and os.getsid(int(entry.name)) == driver:
                jvm = jvm or int(entry.name)
    return jvm, sorted(set(executors) - {jvm})


def resident_megabytes(pid):
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else None
    return None


def live_heap_megabytes(pid):
    """What the heap of a JVM still holds after a full collection."""
    try:
        told = subprocess.run(
            ["jmap", "-histo:live", str(pid)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    except (subprocess.SubprocessError, OSError):
        return None
    return int(told.splitlines()[-1].split()[2]) / 2**20  # "Total INSTANCES BYTES"


class Samples:
    """Memory of all processes over time, taken in a thread."""

    def __init__(self, application, driver, busy):
        self.application, self.driver, self.busy = application, driver, busy
        self.taken = defaultdict(list)  # (seconds, resident, heap) of each process
        self.start = time.monotonic()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.interval = min(15, max(2, PICTURES / 8000))
        self.thread.start()

    def _run(self):
        while not self.ended.wait(self.interval):
            jvm, executors = java_processes(self.application, self.driver)
            for name, pid in [("driver", jvm), *(("executor", pid) for pid in executors)]:
                with self.busy:  # a process that is stopped cannot answer
                    sample = (resident_megabytes(pid), live_heap_megabytes(pid))
                if None not in sample:
                    self.taken[f"{name} {pid}"].append((time.monotonic() - self.start, *sample))

    def end(self):
        if not self.ended.is_set():
            self.ended.set()
            self.thread.join()
            self.seconds = time.monotonic() - self.start

    def check(self):
        """Compares the first and the last third of the last half of each process's life."""
        judged = set()
        for name, samples in self.taken.items():
            for at, resident, heap in samples[:: max(1, len(samples) // 12)]:
                print(
                    f"{name:16} {at:6.0f} s  resident {resident:6.0f} MB  live heap {heap:6.1f} MB"
                )
            half = samples[len(samples) // 2 :]
            lives = half[-1][0] > self.seconds - 0.2 * self.seconds
            if len(half) < SAMPLES or not lives:
                continue
            judged.add(name.split()[0])
            for column, what in ((1, "resident"), (2, "live heap")):
                third = len(half) // 3
                first = statistics.median(sample[column] for sample in half[:third])
                last = statistics.median(sample[column] for sample in half[-third:])
                print(f"{name:16} {what} in the last half: {first:.1f} -> {last:.1f} MB")
                assert last - first < MEGABYTES, f"{what} of {name}: {first:.0f} to {last:.0f} MB"
        assert judged == {"driver", "executor"}


def slow_down(pid, busy, seconds):
    """The process gets a quarter of its time."""
    end = time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            with busy:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(0.6)
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)


class Disturbance:
    """Kills an executor, and later makes another slow."""

    def __init__(self, busy):
        self.busy, self.killed, self.slowed = busy, [], []

    def __call__(self, done, executors):
        """`done`: the share of tasks that have ended."""
        if len(executors) != 2:
            return
        if not self.killed and 0.1 < done < 0.5:
            os.kill(executors[0], signal.SIGKILL)
            self.killed.append(executors[0])
        elif self.killed and not self.slowed and 0.2 < done < 0.8:
            self.slowed.append(executors[1])
            seconds = min(60, max(8, PICTURES / 1000))
            threading.Thread(
                target=slow_down, args=(executors[1], self.busy, seconds), daemon=True
            ).start()


def follow(driver, disturb, busy):
    """Reads what the driver tells. Returns the samples of memory and the counts of rows."""
    samples = rows = None
    try:
        for line in driver.stdout:
            words = line.split()
            if words[0] == "application":
                samples = Samples(words[1], driver.pid, busy)
            elif words[0] == "done":
                _, executors = java_processes(samples.application, driver.pid)
                disturb(int(words[1]) / int(words[2]), executors)
            elif words[0] == "written":
                samples.end()
            elif words[0] == "rows":
                rows = [int(word) for word in words[1:]]
    finally:
        if samples:
            samples.end()
    return samples, rows


def own_home(folder):
    """Spark's own files beside a folder for what executors write."""
    folder.mkdir()
    for entry in HOME.iterdir():
        if entry.name != "work":
            (folder / entry.name).symlink_to(entry)
    return str(folder)


@pytest.mark.slow
@pytest.mark.timeout(600 + PICTURES // 20)
@pytest.mark.skipif(shutil.which("jmap") is None, reason="needs the JDK's jmap")
def test_many_pictures_on_executors_that_come_and_go(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for kind in range(KINDS):
        (pictures / f"{kind}.png").write_bytes(png(64, 64, kind))
    tests, out = str(Path(__file__).parent), str(tmp_path / "answers")
    arguments = [tests, str(pictures), str(PICTURES), str(PER_PARTITION), out]
    busy = threading.Lock()
    disturb = Disturbance(busy)
    log = tmp_path / "driver.log"
    with processes(SPARK_HOME=own_home(tmp_path / "spark")) as start:
        driver = start(
            [sys.executable, "-c", DRIVER, *arguments],
            stdout=subprocess.PIPE,
            stderr=open(log, "w"),
            cwd=tmp_path,
        )
        samples, rows = follow(driver, disturb, busy)
        assert driver.wait() == 0, log.read_text()[-3000:]
    print(
        f"{PICTURES} pictures in {samples.seconds:.0f} s; "
        f"killed {disturb.killed}, slowed {disturb.slowed}"
    )
    assert disturb.killed and disturb.slowed
    assert rows == [PICTURES, PICTURES, PICTURES, KINDS], (
        "rows, distinct, answered, answers by kind"
    )
    samples.check()
