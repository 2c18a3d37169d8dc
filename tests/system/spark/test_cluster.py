"""A standalone cluster of processes: a master and two workers, one of which is killed at work."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import HOME, free_port, processes, wait_until
from conftest import MODEL, write_pictures

PICTURES = 120
PARTITIONS = 24

# Runs as a process of its own, because this one has a local Spark. It answers all pictures and
# writes one line for each, and tells as it goes on how many tasks are done.
DRIVER = """
import json, sys, threading, time
sys.path.insert(0, sys.argv[1])
import conftest
from pyspark.ml import Pipeline
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

_, _, master, pictures, out = sys.argv
spark = (
    SparkSession.builder.master(master)
    .config("spark.ui.enabled", "false")
    .config("spark.executor.memory", "700m")
    .config("spark.driver.host", "127.0.0.1")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
from uffizi.spark import Florence2Transformer, ImageAssembler

data = (
    spark.read.format("binaryFile").load(pictures).repartition(int(conftest_partitions))
    .withColumn("text", lit("<OD>"))
)
florence = Florence2Transformer.loadSavedModel(str(conftest.MODEL), spark).setBatchSize(2)
model = Pipeline(stages=[ImageAssembler(inputCol="content"), florence]).fit(data)

def tell():
    tracker = spark.sparkContext.statusTracker()
    while True:
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info and info.numTasks == int(conftest_partitions):
                print("done", info.numCompletedTasks, flush=True)
        time.sleep(0.1)

threading.Thread(target=tell, daemon=True).start()
model.transform(data).selectExpr("path", "answer[0].result result").write.json(out)
print("finished", flush=True)
spark.stop()
""".replace("int(conftest_partitions)", str(PARTITIONS))


@pytest.mark.slow
def test_a_killed_worker_costs_no_row(tmp_path):
    pictures = write_pictures(tmp_path / "pictures", PICTURES)
    port = free_port()
    spark_class = str(HOME / "bin" / "spark-class")
    log = tmp_path / "log"
    log.mkdir()

    def logged(name):
        return {"stdout": open(log / name, "w"), "stderr": subprocess.STDOUT}

    with processes() as start:
        master = [spark_class, "org.apache.spark.deploy.master.Master"]
        start(
            [*master, "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"],
            **logged("master"),
        )
        wait_until(lambda: "Starting Spark master" in (log / "master").read_text(), "master")
        worker = [spark_class, "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1"]
        worker += ["--webui-port", "0", "--cores", "1", "--memory", "1g"]
        workers = [
            start(
                [*worker, "--work-dir", str(tmp_path / name), f"spark://127.0.0.1:{port}"],
                **logged(name),
            )
            for name in ("worker0", "worker1")
        ]
        for name in ("worker0", "worker1"):
            wait_until(
                lambda name=name: "Successfully registered" in (log / name).read_text(), name
            )
        out = tmp_path / "answers"
        tests = str(Path(__file__).parent)
        driver = start(
            [
                sys.executable,
                "-c",
                DRIVER,
                tests,
                f"spark://127.0.0.1:{port}",
                str(pictures),
                str(out),
            ],
            stdout=subprocess.PIPE,
            stderr=open(log / "driver", "w"),
        )
        killed = False
        for line in driver.stdout:
            done = int(line.split()[1]) if line.startswith("done") else 0
            if done >= 3 and not killed:
                assert done < PARTITIONS, "killed too late to mean anything"
                os.killpg(workers[1].pid, signal.SIGKILL)
                killed = True
        assert driver.wait() == 0, (log / "driver").read_text()[-3000:]
        assert killed
        both = [list((tmp_path / name).glob("app-*/*/stderr")) for name in ("worker0", "worker1")]
        assert all(both), "both workers had an executor"

    rows = [
        json.loads(line) for part in out.glob("part-*") for line in part.read_text().splitlines()
    ]
    names = sorted(Path(row["path"]).name for row in rows)
    assert names == sorted(file.name for file in pictures.iterdir())
    answers = {}
    for row in rows:
        assert "<loc_" in row["result"]
        answers.setdefault(int(Path(row["path"]).stem) % 8, set()).add(row["result"])
    assert all(len(same) == 1 for same in answers.values()), "equal pictures, equal answers"
    assert MODEL.is_dir()
