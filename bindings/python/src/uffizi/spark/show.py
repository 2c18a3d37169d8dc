"""Importing this makes `show(False)` mean `show(truncate=False)`, as in Scala.

Spark NLP's documentation writes it this way for Python too, but PySpark takes the first argument as
the number of rows and refuses a boolean. Nothing else imports this module.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any


def _frames() -> list[Any]:
    """The classes of data frames: of Spark in this process, and of Spark Connect."""
    found: list[Any] = []
    with contextlib.suppress(ImportError):
        try:  # PySpark 4 keeps the frames of a session without Spark Connect here
            from pyspark.sql.classic.dataframe import DataFrame
        except ImportError:
            from pyspark.sql import DataFrame
        found.append(DataFrame)
    with contextlib.suppress(ImportError):  # grpc is not there
        from pyspark.sql.connect.dataframe import DataFrame as ConnectDataFrame

        found.append(ConnectDataFrame)
    return found


def _teach(frame: Any) -> None:
    show = frame.show

    @functools.wraps(show)
    def show_rows(self: Any, n: Any = 20, truncate: Any = True, vertical: bool = False) -> None:
        if isinstance(n, bool):
            n, truncate = 20, n
        show(self, n, truncate, vertical)

    frame.show = show_rows


for _frame in _frames():
    _teach(_frame)
