"""What the stages share: their Java objects, and accessors of their parameters."""

from __future__ import annotations

from typing import Any

from pyspark.ml.param import Param, Params
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable
from pyspark.ml.wrapper import JavaTransformer
from pyspark.sql.utils import is_remote

from ._jar import _active_context, check_jar, ensure_jar


def is_remote_session() -> bool:
    """Whether stages are those of a Spark Connect server."""
    if not is_remote():
        return False
    import pyspark

    if pyspark.__version__.startswith("3."):
        raise NotImplementedError(
            "stages over Spark Connect need Spark 4; uffizi.spark.annotate works with Spark 3.5, too"
        )
    return True


def jvm() -> Any:
    context = _active_context()
    if context is None:
        raise RuntimeError("no Spark session is running: make one first")
    ensure_jar(context)
    check_jar(context)
    return context._jvm


def names(columns: Any) -> list[str]:
    """Names given as a list or one by one."""
    return list(columns[0] if len(columns) == 1 and not isinstance(columns[0], str) else columns)


_NONE = object()


def param(name: str, doc: str, converter: Any, default: Any = _NONE) -> Any:
    made = Param(Params._dummy(), name, doc, typeConverter=converter)
    made.default = default
    return made


def with_accessors(cls: Any) -> Any:
    """Adds setX and getX for every parameter X that the class names."""

    def add(name: str) -> None:
        def setter(self: Any, value: Any) -> Any:
            return self._set(**{name: value})

        def getter(self: Any) -> Any:
            return self.getOrDefault(getattr(self, name))

        title = name[0].upper() + name[1:]
        for method, prefix, verb in ((setter, "set", "Sets"), (getter, "get", "Gives")):
            method.__name__ = prefix + title
            method.__qualname__ = f"{cls.__name__}.{method.__name__}"
            method.__doc__ = f"{verb} `{name}`: {vars(cls)[name].doc}."
            if method.__name__ not in vars(cls):
                setattr(cls, method.__name__, method)

    params = {name: value for name, value in vars(cls).items() if isinstance(value, Param)}
    for name in params:
        add(name)
    cls.__module__ = "uffizi.spark"  # Spark derives the Java class's name from it
    cls._defaults = {
        name: made.default for name, made in params.items() if made.default is not _NONE
    }
    return cls


class _Reader(JavaMLReader):
    def __init__(self, cls: Any) -> None:
        jvm()
        super().__init__(cls)


class Stage(JavaTransformer, JavaMLReadable, JavaMLWritable):
    _defaults: dict[str, Any]

    def _make(self, name: str, values: dict[str, Any]) -> None:
        if is_remote_session():
            self._java_obj = f"uffizi.spark.{name}"
            self._setDefault(**self._defaults)
        else:
            jvm()
            self._java_obj = self._new_java_obj(f"uffizi.spark.{name}", self.uid)
            self._transfer_params_from_java()
        self._set(**values)

    def _transfer_params_from_java(self) -> None:
        """PySpark leaves arrays as Java objects."""
        from py4j.java_collections import JavaArray

        super()._transfer_params_from_java()
        for values in (self._paramMap, self._defaultParamMap):
            for param, value in values.items():
                if isinstance(value, JavaArray):
                    values[param] = list(value)

    @classmethod
    def read(cls) -> Any:
        return super().read() if is_remote_session() else _Reader(cls)
