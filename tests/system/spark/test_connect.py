"""Spark Connect: a server of its own with the jar, and clients in processes of their own, since PySpark
is either remote or not."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyspark
import pytest
from clusters import HOME, free_port, processes, wait_until
from conftest import MODEL, SOURCE, write_pictures
from pyspark.sql.functions import array, col, concat, lit

pytest.importorskip("grpc", reason="the client of Spark Connect is not there")

CLIENT = """
import sys
if sys.argv[1].endswith("spark"):
    sys.path.insert(0, sys.argv[1])
    import conftest
from pyspark.sql.functions import array, lit
from uffizi.spark import *

_, _, server, model, pictures, out = sys.argv
if server.startswith("sc:"):
    spark = start(remote=server)
else:
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
files = spark.read.format("binaryFile").load(pictures).orderBy("path")
"""

STAGES = """
import contextlib, io
from pyspark.ml import Pipeline, PipelineModel

data = files.withColumn("text", array(lit("<OD>"), lit("<CAPTION>")))
florence = Florence2Transformer.load(model).setInputCols(["image_assembler"]).setOutputCol("answer")
assert florence.getBeamSize() == 1 and florence.getOutputCol() == "answer"
florence.setStructCol("found").setMaxPixels(10_000_000).setImageMean([0.485, 0.456, 0.406])
fitted = Pipeline(stages=[ImageAssembler(inputCol="content"), florence]).fit(data)
frame = fitted.transform(data)
rows = frame.select("image_assembler.origin", "answer.result", "found.text").collect()
assert [len(row.result) for row in rows] == [2, 2, 2], rows
assert all("<loc_" in row.result[0] and row.text[1] == row.result[1] for row in rows), rows
shown = io.StringIO()
with contextlib.redirect_stdout(shown):
    frame.select("answer.result").show(False)
assert rows[0].result[1] in shown.getvalue()
assert frame.count() == 3

fitted.write().overwrite().save(out + "/fitted")
loaded = PipelineModel.load(out + "/fitted")
assert isinstance(loaded.stages[1], Florence2Transformer)
assert loaded.stages[1].getStructCol() == "found"
assert out in loaded.stages[1].getModel()
again = loaded.transform(data).select("image_assembler.origin", "answer.result", "found.text")
assert again.collect() == rows

named = Florence2Transformer.pretrained("uffizi-tiny").transform(
    ImageAssembler(inputCol="content").transform(data)
)
assert [r.result for r in named.select("answer.result").collect()] == [r.result for r in rows]
missing = Florence2Transformer.pretrained("no_such_model")
try:
    missing.transform(ImageAssembler(inputCol="content").transform(data)).collect()
except Exception as error:
    assert "spark.uffizi.models" in str(error), error
else:
    raise AssertionError("a model that is not there")
"""

PYTHON_ONLY = """
asked, expected = (spark.read.parquet(out + "/" + name) for name in ("asked", "expected"))
frame = annotate(asked.repartition(2), model=model, structCol="found", batchSize=2, tiles="2x1",
                 minScore=0.1, labels=["star", "BALLOON", "book"], answerAs="od")
assert frame.schema.simpleString() == expected.schema.simpleString(), (frame.schema, expected.schema)

import json
ours, theirs = (f.orderBy("path").collect() for f in (frame, expected))
assert len(ours) == len(theirs) == 7
for mine, other in zip(ours, theirs):
    assert mine.path == other.path and mine.content == other.content
    for a, b in zip(mine.answer, other.answer):
        assert (a.annotatorType, a.begin, a.end, a.result, a.embeddings) == (
            b.annotatorType, b.begin, b.end, b.result, b.embeddings), (a, b)
        assert set(a.metadata) == set(b.metadata), (a.metadata, b.metadata)
        for key in set(a.metadata) - {"florence2_postprocessed_raw", "florence2_image", "error"}:
            assert a.metadata[key] == b.metadata[key], (key, a.metadata[key], b.metadata[key])
        if a.result is not None:
            raw = [json.loads(m.metadata["florence2_postprocessed_raw"]) for m in (a, b)]
            assert raw[0] == raw[1], raw
    for a, b in zip(mine.found, other.found):
        assert (a.task, a.text, a.labels) == (b.task, b.text, b.labels), (a, b)
        assert (a.scores, a.boxes, a.quads, a.polygons) == (b.scores, b.boxes, b.quads, b.polygons), (a, b)

files = spark.read.format("binaryFile").load([out + "/pages.tif", pictures])
paged = annotate(files, "<CAPTION>", model=model, pages="all", batchSize=2)
found = {}
for row in paged.select("path", "page", "answer.result").collect():
    found.setdefault(row.path.split("/")[-1], []).append((row.page, row.result[0]))
assert [page for page, _ in found["pages.tif"]] == [1, 2, 3] and len(found) == 4, found
assert all(text for pages in found.values() for _, text in pages), found
second = annotate(files, "<CAPTION>", model=model, pages=2).filter("path like '%pages.tif'")
assert [(row.page, row.answer[0].result) for row in second.collect()] == [found["pages.tif"][1]]
print("the same")
"""


def write_expected(spark, pictures, out):
    """Questions, and the stage's answers to them, for a client that has no stage."""
    from uffizi.spark import Florence2Transformer, ImageAssembler

    shutil.copy(SOURCE / "tests" / "data" / "formats" / "pages.tif", out)
    files = spark.read.format("binaryFile").load(str(pictures))
    data = files.withColumn("text", array(lit("<OD>"), lit("<CAPTION>"), lit("<OD> and more")))
    bad = files.limit(1).withColumn("content", lit(b"no picture")).withColumn("path", lit("z bad"))
    bad = bad.withColumn("text", array(lit("<OD>")))
    words = files.withColumn("path", concat(lit("words "), col("path")))
    prompt = "Locate the objects with category name in the image."
    words = words.withColumn("text", array(lit(prompt)))
    data.union(bad).union(words).write.parquet(str(out / "asked"))
    asked = spark.read.parquet(str(out / "asked"))
    stage = Florence2Transformer.load(str(MODEL)).setStructCol("found").setTiles("2x1")
    stage.setMinScore(0.1).setLabels(["star", "BALLOON", "book"]).setAnswerAs("od")
    answered = stage.transform(ImageAssembler(inputCol="content").transform(asked))
    answered.drop("image_assembler").write.parquet(str(out / "expected"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """The address of a server that was started with the jar; its workers find the package, if there
    is one."""
    from uffizi.spark import jar

    # Spark 4 brings Spark Connect; 3.5 gets it from Maven, as its documentation says.
    connect = []
    if pyspark.__version__ < "4":
        connect = ["--packages", f"org.apache.spark:spark-connect_2.12:{pyspark.__version__}"]
        connect += ["--conf", f"spark.jars.ivy={SOURCE / 'build' / 'ivy'}"]
    folder = tmp_path_factory.mktemp("connect")
    port = free_port()
    command = [str(HOME / "bin" / "spark-submit"), "--master", "local[2]"]
    command += [
        *connect,
        "--class",
        "org.apache.spark.sql.connect.service.SparkConnectServer",
        "--jars",
        jar(),
    ]
    for setting in (
        f"spark.connect.grpc.binding.port={port}",
        "spark.ui.enabled=false",
        "spark.driver.host=127.0.0.1",
        "spark.sql.warehouse.dir=" + str(folder / "warehouse"),
    ):
        command += ["--conf", setting]
    try:
        path = {"PYTHONPATH": str(request.getfixturevalue("package"))}
    except pytest.skip.Exception:
        path = {}
    with processes(PYSPARK_PYTHON=sys.executable, **path) as start:
        log = folder / "log"
        start(
            [*command, "spark-internal"],
            stdout=open(log, "w"),
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        marks = ("Spark Connect server started", "unresolved dependency")
        wait_until(lambda: any(mark in log.read_text() for mark in marks), "server", 300)
        if marks[0] not in log.read_text():
            pytest.skip(f"Maven has no spark-connect {pyspark.__version__} here")
        time.sleep(0.5)
        yield f"sc://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"), 3)


def run_client(script, server, pictures, out, tests=Path(__file__).parent, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            CLIENT + script,
            str(tests),
            server,
            str(MODEL),
            str(pictures),
            str(out),
        ],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    return done.stdout


@pytest.mark.skipif(pyspark.__version__ < "4", reason="Spark 3.5 runs no stages over Spark Connect")
def test_stages(server, pictures, tmp_path):
    run_client(STAGES, server, pictures, tmp_path)


@pytest.mark.slow
def test_without_a_jar(spark, server, pictures, tmp_path, package):
    """The package's own function: workers need Python packages only."""
    write_expected(spark, pictures, tmp_path)
    environment = {"PYTHONPATH": str(package)}
    assert "the same" in run_client(PYTHON_ONLY, server, pictures, tmp_path, package, **environment)


@pytest.mark.slow
def test_without_a_jar_and_connect(spark, pictures, tmp_path, package):
    """The same in a session of the usual kind."""
    write_expected(spark, pictures, tmp_path)
    environment = {"PYTHONPATH": str(package), "PYSPARK_PYTHON": sys.executable}
    assert "the same" in run_client(
        PYTHON_ONLY, "local", pictures, tmp_path, package, **environment
    )
