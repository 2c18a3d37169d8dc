"""Florence-2 on ordinary CPUs: captions, boxes, masks and text from pictures.

>>> import uffizi
>>> model = uffizi.Florence2.from_pretrained()
>>> model("cat.jpg", "<OD>").to_dict()
"""

from __future__ import annotations

from importlib.metadata import version as _version
from pkgutil import extend_path as _extend_path

__path__ = _extend_path(__path__, __name__)  # uffizi.spark may be installed elsewhere

from . import _load as _load  # first: says why, if the native part cannot be loaded
from ._annotate import annotate
from ._engines import pull
from ._errors import (
    ArgumentError,
    Error,
    ImageError,
    ModelError,
    NotFoundError,
    PromptError,
    ReadError,
    UnsupportedError,
)
from ._model import EncodedImage, Florence2
from ._parquet import annotate_parquet
from ._pictures import SUFFIXES, count_pages
from ._question import Question
from ._results import Box, Region, Result, Timings
from ._stream import Stream, Token
from ._tasks import TASKS, TaskInfo

__version__ = _version("uffizi")

__all__ = [
    "SUFFIXES",
    "TASKS",
    "ArgumentError",
    "Box",
    "EncodedImage",
    "Error",
    "Florence2",
    "ImageError",
    "ModelError",
    "NotFoundError",
    "PromptError",
    "Question",
    "ReadError",
    "Region",
    "Result",
    "Stream",
    "TaskInfo",
    "Timings",
    "Token",
    "UnsupportedError",
    "__version__",
    "annotate",
    "annotate_parquet",
    "count_pages",
    "pull",
]
