"""The stages from Python: the snippet in Spark NLP's documentation, parameters, saving and loading."""

import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import MODEL, SOURCE
from microsoft_artifacts import NAMES as ARTIFACTS
from microsoft_artifacts import microsoft_artifact
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql.functions import array, lit

sys.path.append(str(SOURCE / "tests" / "system" / "pull"))
from source import Source

SNIPPET = SOURCE / "bindings/jvm/src/test/resources/seed/snippet.py.txt"


def test_the_seeds_snippet(spark, pictures):
    """As it is printed, with other imports. The page lost the backslashes that went on to the next
    line; the three spaces before each are still there."""
    lines = []
    for line in SNIPPET.read_text().splitlines():
        if line.startswith(("import sparknlp", "from sparknlp")):
            continue
        lines.append(line + "\\" if line.endswith("   ") else line)
    code = "from uffizi.spark import *\nimport uffizi.spark.show\n" + "\n".join(lines)
    assert "Florence2Transformer.pretrained()" in code and "show(False)" in code
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {"spark": spark, "images_path": str(pictures)})
    assert "00000.png" in out.getvalue()
    assert "<loc_" in out.getvalue()


def test_parameters_are_those_of_the_jar(spark):
    from uffizi.spark import Finisher, Florence2Transformer, ImageAssembler

    for stage in (ImageAssembler(), Finisher(), Florence2Transformer.pretrained()):
        java = stage._java_obj
        assert {p.name for p in stage.params} == {p.name() for p in java.params()}
        for param in stage.params:
            title = param.name[0].upper() + param.name[1:]
            assert callable(getattr(stage, "set" + title)), param.name
            if stage.isDefined(param):
                ours = getattr(stage, "get" + title)()
                theirs = getattr(java, "get" + title)()
                theirs = theirs if isinstance(theirs, (str, int, float)) else list(theirs)
                assert ours == theirs, param.name
            assert param.doc == java.getParam(param.name).doc()
    assert stage.getMinOutputLength() == 10 and stage.getStopTokenIds() == [2]


def test_setters_reach_the_model(spark, pictures):
    from uffizi.spark import Florence2Transformer, ImageAssembler

    images = spark.read.format("image").load(str(pictures))
    assembled = ImageAssembler().transform(images.withColumn("text", lit("<CAPTION>")))
    stage = Florence2Transformer.loadSavedModel(str(MODEL), spark)
    full = [row.result[0] for row in stage.transform(assembled).select("answer.result").collect()]
    stage.setMaxOutputLength(4).setBatchSize(2).setIgnoreTokenIds([7]).setTopP(0.9).setRandomSeed(3)
    stage.setInputCols(["image_assembler"]).setInputCols("image_assembler")
    stage.setImageMean(stage.getImageMean()).setStructCol("found")
    rows = stage.transform(assembled).select("answer.result", "found.text").collect()
    for row, text in zip(rows, full):
        assert text.startswith(row.result[0]) and len(row.result[0]) < len(text)
        assert row.text == row.result
    with pytest.raises(Exception, match="beamSize"):
        stage.setBeamSize(0).transform(assembled)


def test_what_the_command_line_has(spark, pictures, tmp_path):
    """Tiles, scores, labels and prompts in words, also after saving."""
    from uffizi.spark import Florence2Transformer, ImageAssembler

    files = spark.read.format("binaryFile").load(str(pictures))
    words = "Locate the objects with category name in the image."
    assembled = ImageAssembler(inputCol="content").transform(files.withColumn("text", lit(words)))
    stage = Florence2Transformer.load(str(MODEL)).setStructCol("found").setAnswerAs("od")

    def found(stage):
        rows = stage.transform(assembled).select("found").collect()
        return [list(zip(row.found[0].labels, row.found[0].scores)) for row in rows]

    whole = found(stage)
    label = whole[0][0][0]
    assert found(stage.setLabels([label])) == [[f for f in row if f[0] == label] for row in whole]
    # The prompt is in words: it is not asked about tiles.
    assert found(stage.setLabels([]).setTiles("2x2")) == whole
    assembled = assembled.drop("image_assembler").drop("text")
    assembled = ImageAssembler(inputCol="content").transform(assembled)
    tiled = found(stage.setMinScore(0.0))
    assert tiled != whole
    few = [[f for f in row if f[1] >= 0.5] for row in found(stage.setMinScore(0.5))]
    assert found(stage) == few
    stage.write().overwrite().save(str(tmp_path / "stage"))
    again = Florence2Transformer.load(str(tmp_path / "stage"))
    assert (again.getTiles(), again.getMinScore(), again.getAnswerAs()) == ("2x2", 0.5, "od")
    assert found(again) == few


def test_saving_and_loading(spark, pictures, tmp_path):
    from uffizi.spark import Florence2Transformer, ImageAssembler

    images = spark.read.format("image").load(str(pictures))
    data = images.withColumn("text", array(lit("<OD>"), lit("<CAPTION>")))
    stages = [ImageAssembler(outputCol="pictures"), Florence2Transformer.pretrained()]
    stages[1].setInputCols(["pictures"]).setBeamSize(2)
    fitted = Pipeline(stages=stages).fit(data)
    fitted.write().overwrite().save(str(tmp_path / "fitted"))
    loaded = PipelineModel.load(str(tmp_path / "fitted"))
    assert isinstance(loaded.stages[1], Florence2Transformer)
    assert loaded.stages[1].getBeamSize() == 2

    def answers(model):
        return [row.result for row in model.transform(data).select("answer.result").collect()]

    assert answers(fitted) == answers(loaded)
    assert len(answers(loaded)[0]) == 2


def test_the_jar_is_looked_for(spark, monkeypatch, tmp_path):
    from uffizi.spark import jar

    assert jar().endswith(".jar")
    monkeypatch.setenv("UFFIZI_SPARK_JAR", str(tmp_path / "no.jar"))
    with pytest.raises(FileNotFoundError, match="no.jar"):
        jar()


def test_the_notebook(spark, monkeypatch):
    monkeypatch.chdir(SOURCE)
    cells = {"__name__": "notebook"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec((SOURCE / "samples" / "spark_notebook.py").read_text(), cells)
    assert cells["captions"].count() == len(list((SOURCE / "samples").glob("*.jpg")))
    assert all(row.caption for row in cells["captions"].collect())
    assert cells["things"].count() > 0
    assert cells["errors"].count() == 0


def test_sparknlps_helpers(spark, pictures):
    from uffizi.spark import (
        Annotation,
        AnnotationImage,
        Finisher,
        Florence2Transformer,
        ImageAssembler,
        LightPipeline,
    )

    data = ImageAssembler.loadImagesAsBytes(spark, str(pictures)).withColumn("text", lit("<OD>"))
    florence = Florence2Transformer.pretrained("uffizi-tiny").setCompatibility("spark-nlp")
    assert florence.getEngine() == "uffizi" and florence.getRandomSeed() is None
    assert florence.setRandomSeed(3).getRandomSeed() == 3
    model = Pipeline(stages=[ImageAssembler().setParams(inputCol="image"), florence]).fit(data)
    rows = model.transform(data).orderBy("path").select("path", "answer").collect()
    boxes = json.loads(rows[0].answer[0].metadata["florence2_postprocessed_raw"])
    assert len(boxes[0]["bbox"]) == 4 and boxes[0]["catName"]

    light = LightPipeline(model)
    files = [row.path for row in rows]
    full = light.fullAnnotateImage(files, ["<OD>"] * len(files))
    assert [one["answer"] for one in full] == [
        [Annotation.fromRow(a) for a in row.answer] for row in rows
    ]
    assert isinstance(full[0]["image_assembler"][0], AnnotationImage)
    assert light.annotate(files[0], "<OD>")["answer"] == [rows[0].answer[0].result]
    assert [one["image_assembler"] for one in light.annotate(files)] == [[""]] * len(files)
    with pytest.raises(ValueError, match="both"):
        light.fullAnnotateImage(files, "<OD>")

    finisher = Finisher().setInputCols("answer").setOutputCols(["said"])
    finished = finisher.transform(model.transform(data).orderBy("path"))
    assert [row.said for row in finished.collect()] == [
        [a.result for a in row.answer] for row in rows
    ]
    assert "answer" not in finished.columns
    assert (
        Annotation.arrayType().simpleString()
        == model.transform(data).schema["answer"].dataType.simpleString()
    )


def test_converting_what_sparknlp_saved(spark, pictures, tmp_path):
    """Of a stage; pipelines are converted in CompatibilityTest.scala."""
    from uffizi.spark import Florence2Transformer, ImageAssembler, convert

    artifact = SOURCE / "tests/data/models/florence_2_tiny_int4.zip"
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "saved")
    convert(str(tmp_path / "saved"), str(tmp_path / "converted"))
    stage = Florence2Transformer.load(str(tmp_path / "converted")).setMaxOutputLength(20)
    assert stage.getSize() == 384
    data = ImageAssembler().transform(spark.read.format("image").load(str(pictures)))
    assert all(
        row.result[0] is not None for row in stage.transform(data).select("answer.result").collect()
    )


IN_ANY_ORDER = """
import sys
from pyspark.sql import SparkSession

tests, saved, pictures, order = sys.argv[1:]
sys.path.insert(0, tests)
import conftest

if order == "import first":
    import uffizi.spark
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
if order == "session first":
    import uffizi.spark
from pyspark.ml import PipelineModel

data = spark.read.format("image").load(pictures)
for row in PipelineModel.load(saved).transform(data).select("answer.result").collect():
    assert "<loc_" in row.result[0], row

from uffizi.spark import Florence2Transformer
assert Florence2Transformer.pretrained().getModel().endswith("models/uffizi-tiny")  # UFFIZI_MODEL
"""


@pytest.mark.parametrize("order", ["import first", "session first"])
def test_saved_pipelines_load_in_a_new_session(spark, pictures, tmp_path, order):
    from uffizi.spark import Florence2Transformer, ImageAssembler

    data = spark.read.format("image").load(str(pictures))
    stages = [ImageAssembler(), Florence2Transformer.pretrained("uffizi-tiny")]
    Pipeline(stages=stages).fit(data).save(str(tmp_path / "saved"))
    tests = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", IN_ANY_ORDER, tests, str(tmp_path / "saved"), str(pictures), order],
        env={**os.environ, "UFFIZI_MODEL": str(MODEL)},
        check=True,
    )


def test_the_jar_fits_the_spark_that_would_run(monkeypatch, tmp_path):
    from uffizi.spark import _jar

    monkeypatch.setattr(_jar, "_active_context", lambda: None)
    monkeypatch.delenv("UFFIZI_SPARK_JAR", raising=False)
    for name, expected in (
        ("spark-core_2.13-3.5.6.jar", ("3.5", "2.13")),
        ("spark-core_2.12-3.5.1-amzn-0.jar", ("3.5", "2.12")),
        ("spark-core_2.13-4.0.1.jar", ("4", "2.13")),
        ("spark-core_2.12-3.3.0.jar", ("3.3", "2.12")),
    ):
        home = tmp_path / name
        (home / "jars").mkdir(parents=True)
        (home / "jars" / name).touch()
        monkeypatch.setenv("SPARK_HOME", str(home))
        assert _jar._installed() == expected
    with pytest.raises(FileNotFoundError, match="for Spark 3.3 with Scala 2.12"):
        _jar.jar()


OVER_HTTP = """
import json, sys
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

tests, pictures = sys.argv[1:]
sys.path.insert(0, tests)
import conftest
from uffizi.spark import Florence2Transformer, ImageAssembler

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
data = spark.read.format("image").load(pictures).withColumn("text", lit("<OD>"))
stage = Florence2Transformer.pretrained("florence_2_large_int4").setMaxOutputLength(20)
rows = stage.transform(ImageAssembler().transform(data)).select("image.origin", "answer.result")
print(json.dumps(sorted([row.origin, row.result[0]] for row in rows.collect())))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ARTIFACTS)
def test_pretrained_over_http(pictures, tmp_path, name):
    """A name whose zip, exported from Microsoft's code, lies on a server. Answers are those of the command line."""
    artifact = microsoft_artifact(name, tmp_path).path
    source = Source({}, artifact.read_bytes())
    environment = {
        **os.environ,
        "UFFIZI_CACHE": str(tmp_path / "cache"),
        "UFFIZI_MODELS_URL": source.url + "/spark",
        "no_proxy": "*",
    }
    tests = str(Path(__file__).parent)
    try:
        spark = subprocess.run(
            [sys.executable, "-c", OVER_HTTP, tests, str(pictures)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        source.close()
    assert len([path for path, _, _ in source.requests if path.endswith(".zip")]) == 1
    found = json.loads(spark.stdout.splitlines()[-1])
    command = [str(SOURCE / "build" / "release" / "bin" / "uffizi"), "annotate", str(pictures)]
    command += ["--model", str(artifact), "--task", "od", "--format", "jsonl", "--beams", "1"]
    command += ["--max-length", "20", "--no-repeat-ngram", "3"]
    lines = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    texts = {Path(row["image"]).name: row["text"] for row in map(json.loads, lines)}
    blank = "".join(map(chr, range(33)))  # what Java's trim() takes off
    expected = {
        name: text.removeprefix("<s>").removesuffix("</s>").strip(blank)
        for name, text in texts.items()
    }
    assert {Path(origin).name: text for origin, text in found} == expected


FROM_THE_PACKAGE = """
import sys
from pyspark.ml import Pipeline
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit
from uffizi.spark import Florence2Transformer, ImageAssembler, jar

site, pictures = sys.argv[1:]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
assert jar().startswith(site), jar()
data = spark.read.format("image").load(pictures).withColumn("text", lit("<OD>"))
stages = [ImageAssembler(), Florence2Transformer.pretrained("uffizi-tiny")]
for row in Pipeline(stages=stages).fit(data).transform(data).select("answer.result").collect():
    assert "<loc_" in row.result[0], row
assert Florence2Transformer.unload() == 1
"""


@pytest.mark.slow
def test_the_package_is_all_it_needs(pictures, tmp_path):
    """With nothing but uffizi-spark: the jar, the native library and a model are inside."""
    subprocess.run([str(SOURCE / "scripts" / "spark_package.sh")], check=True)
    (wheel,) = (SOURCE / "dist").glob("uffizi_spark-*-py3-none-any.whl")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path), str(wheel)], check=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "UFFIZI_CACHE": str(tmp_path / "cache"),
    }
    environment.pop("UFFIZI_SPARK_JAR", None)
    subprocess.run(
        [sys.executable, "-c", FROM_THE_PACKAGE, str(tmp_path), str(pictures)],
        env=environment,
        check=True,
    )
