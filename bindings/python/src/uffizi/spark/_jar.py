"""Where the jar is, and how a running Spark gets it."""

from __future__ import annotations

import os
from pathlib import Path

import pyspark
from pyspark import SparkContext

JAR_VARIABLE = "UFFIZI_SPARK_JAR"


def _line() -> str:
    """The Spark line that jars are named by: "4", or "3.5"."""
    major, minor = pyspark.__version__.split(".")[:2]
    return major if int(major) >= 4 else f"{major}.{minor}"


def jar() -> str:
    """The path of Uffizi's jar for this PySpark.

    It is what the environment variable UFFIZI_SPARK_JAR names, else the one that came with the
    package, else the one that `./run jar` built in the source tree.
    """
    named = os.environ.get(JAR_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"{JAR_VARIABLE} names {named}, which is not there")
        return named
    here = Path(__file__).resolve()
    pattern = f"uffizi-spark{_line()}_*.jar"
    places = [here.parent / "jars"]
    if len(here.parents) > 5:
        places += sorted((here.parents[5] / "build" / "jvm").glob(f"spark{_line()}_*"))
    for place in places:
        # PySpark 4 has Scala 2.13, PySpark 3.5 has 2.12: the first in order is right for both.
        found = sorted(place.glob(pattern))
        if found:
            return str(found[0])
    raise FileNotFoundError(
        f"no {pattern} in {' or '.join(str(place) for place in places)}: build it with "
        f"`./run jar`, or name it in {JAR_VARIABLE}"
    )


def ensure_jar(context: SparkContext) -> None:
    """Makes the stages known to a running Spark, unless it was started with the jar."""
    jvm = context._jvm
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        loader.loadClass("uffizi.spark.Florence2Transformer")
        return
    except Exception:  # noqa: BLE001 - py4j wraps ClassNotFoundException
        pass
    path = jar()
    loader.addURL(jvm.java.io.File(path).toURI().toURL())
    context._jsc.sc().addJar(path)
