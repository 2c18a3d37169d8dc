"""The stages from Python: the seed's snippet, parameters, saving and loading."""

import contextlib
import io
import os
import subprocess
import sys

import pyspark
import pytest
from conftest import MODEL, SOURCE
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql.functions import array, lit

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
    from uffizi.spark import Florence2Transformer, ImageAssembler

    for stage in (ImageAssembler(), Florence2Transformer.pretrained()):
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


FROM_THE_WHEEL = """
import sys
from pyspark.ml import Pipeline
from pyspark.sql import SparkSession
from pyspark.sql.functions import lit
from uffizi.spark import Florence2Transformer, ImageAssembler, jar

site, model, pictures = sys.argv[1:]
assert jar().startswith(site), jar()
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
data = spark.read.format("image").load(pictures).withColumn("text", lit("<OD>"))
stages = [ImageAssembler(), Florence2Transformer.load(model)]
for row in Pipeline(stages=stages).fit(data).transform(data).select("answer.result").collect():
    assert "<loc_" in row.result[0], row
"""


def test_the_wheel_brings_the_jar(pictures, tmp_path):
    wheels = list((SOURCE / "dist").glob("uffizi-*.whl"))
    if not wheels or pyspark.__version__ < "4":
        pytest.skip("needs the wheel of `./run wheel`, which brings the jar for Spark 4")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(tmp_path), str(wheels[0])], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", FROM_THE_WHEEL, str(tmp_path), str(MODEL), str(pictures)],
        env=environment,
        check=True,
    )
