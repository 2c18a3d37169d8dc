"""Importing this lets `show(False)` mean `show(truncate=False)`, as it does in Scala.

Pages written for Scala and Python alike, the seed's among them, have it so, but PySpark takes the
first argument for the number of rows and refuses a truth value. Nothing else imports this module.
"""

from __future__ import annotations

import functools
from typing import Any

try:  # PySpark 4 keeps the frames of a session without Spark Connect here
    from pyspark.sql.classic.dataframe import DataFrame
except ImportError:
    from pyspark.sql import DataFrame

_show = DataFrame.show


@functools.wraps(_show)
def _show_rows(self: Any, n: Any = 20, truncate: Any = True, vertical: bool = False) -> None:
    if isinstance(n, bool):
        n, truncate = 20, n
    _show(self, n, truncate, vertical)


DataFrame.show = _show_rows
