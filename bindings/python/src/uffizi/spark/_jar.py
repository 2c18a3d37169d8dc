"""Locates the jar and adds it to Spark."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from pathlib import Path
from typing import Any

JAR_VARIABLE = "UFFIZI_SPARK_JAR"


def _line(version: str) -> str:
    """The Spark line that jars are named by: "4", or "3.5"."""
    major, minor = version.split(".")[:2]
    return major if int(major) >= 4 else f"{major}.{minor}"


def _active_context() -> Any:
    """The SparkContext that runs in this process; None with Spark Connect, or if none runs."""
    try:
        from pyspark import SparkContext

        return SparkContext._active_spark_context
    except (ImportError, AttributeError):  # the package pyspark-client has none
        return None


def _installed() -> tuple[str, str]:
    """Spark's line and Scala's version: of the Spark that runs, else of the one that would."""
    context = _active_context()
    if context is not None:
        scala = context._jvm.scala.util.Properties.versionNumberString()
        return _line(context.version), ".".join(scala.split(".")[:2])
    import pyspark

    with contextlib.suppress(Exception):  # it ends the process where it finds no Spark
        from pyspark.find_spark_home import _find_spark_home

        for core in Path(_find_spark_home()).glob("jars/spark-core_*.jar"):
            match = re.fullmatch(r"spark-core_([0-9.]+)-([0-9]+\.[0-9]+).*\.jar", core.name)
            if match:
                return _line(match[2]), match[1]
    line = _line(pyspark.__version__)
    return line, "2.12" if line.startswith("3.") else "2.13"


def jar() -> str:
    """The path of Uffizi's jar for the running or installed Spark.

    It is the one that the environment variable UFFIZI_SPARK_JAR names, else the one in the package,
    else the one that `./run jar` built in the source tree.
    """
    named = os.environ.get(JAR_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise FileNotFoundError(f"{JAR_VARIABLE} names {named}, which is not there")
        return named
    line, scala = _installed()
    here = Path(__file__).resolve()
    pattern = f"uffizi-spark{line}_{scala}-*.jar"
    places = [here.parent / "jars"]
    if len(here.parents) > 5:
        places.append(here.parents[5] / "build" / "jvm" / f"spark{line}_{scala}")
    for place in places:
        found = sorted(place.glob(pattern))
        if found:
            return str(found[-1])
    raise FileNotFoundError(
        f"no {pattern} in {' or '.join(str(place) for place in places)}, for Spark {line} with Scala "
        f"{scala}: install the package uffizi-spark, build it with `./run jar`, or name it in {JAR_VARIABLE}"
    )


def ensure_jar(context: Any) -> None:
    """Adds the stages to a running Spark, unless it was started with the jar."""
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


def check_jar(context: Any) -> None:
    """Raises RuntimeError that names the right jar if this one is for another Spark or Scala."""
    from py4j.protocol import Py4JJavaError

    try:
        context._jvm.uffizi.spark.SparkStage.requireMatchingSpark()
    except Py4JJavaError as error:
        raise RuntimeError(error.java_exception.getMessage()) from None


def follow_contexts() -> None:
    """Adds the jar to the running Spark, and to each that is started later in this process, so that
    saved pipelines load in any order of imports and sessions."""
    context = _active_context()
    if context is not None:
        with contextlib.suppress(FileNotFoundError):  # told when a stage is made
            ensure_jar(context)
    try:
        from pyspark import SparkContext
    except ImportError:
        return
    start = SparkContext.__init__
    if getattr(start, "_uffizi", False):
        return

    @functools.wraps(start)
    def start_with_jar(self: Any, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        with contextlib.suppress(FileNotFoundError):
            ensure_jar(self)

    start_with_jar._uffizi = True  # type: ignore[attr-defined]
    SparkContext.__init__ = start_with_jar
