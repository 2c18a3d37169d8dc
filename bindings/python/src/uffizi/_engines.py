"""Finds models by folder or name, and shares their engines while in use."""

from __future__ import annotations

import os
import pathlib
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Union

from . import _native

#: A LoRA adapter as saved by peft: its folder or name, or a pair of that and its weight.
Adapter = Union[str, "os.PathLike[str]", "tuple[str | os.PathLike[str], float]"]
#: Called with a file's name, the bytes done and the total. Returning False stops.
Progress = Callable[[str, int, int], "bool | None"]
Adapters = tuple[tuple[pathlib.Path, float], ...]

#: The model that comes with the package.
BUNDLED = "uffizi-tiny"

_engines: weakref.WeakValueDictionary[
    tuple[str, str, int, tuple[tuple[str, float], ...]], _native.Engine
]
_engines = weakref.WeakValueDictionary()
_engines_lock = threading.Lock()


def _forget_engines() -> None:
    """Runs in a forked child, which can neither create an engine nor use one of its parent."""
    global _engines_lock
    _engines.clear()
    _engines_lock = threading.Lock()  # the old one may have been held by a thread left behind


os.register_at_fork(after_in_child=_forget_engines)


def _bundled_folder() -> pathlib.Path:
    return pathlib.Path(__file__).parent / "share" / "uffizi" / "models" / BUNDLED


def pull(name: str | os.PathLike[str], *, progress: Progress | None = None) -> pathlib.Path:
    """Returns the folder of a model or adapter, downloading it into the cache if needed.

    `name` is a model on the Hugging Face Hub, such as "microsoft/Florence-2-large" or
    "owner/name@revision", or one of Spark NLP, such as "florence_2_large_int4". Spark NLP and OpenVINO
    artifacts are imported and kept in 4 bits. For a folder, its own path is returned.
    `progress` is called with a file's name, the bytes done and the total. Returning False stops the
    download; the next call resumes it.
    """
    return _native.resolve_model(name, progress, 4)


def resolve(
    name_or_path: str | os.PathLike[str], revision: str | None, exact: bool
) -> pathlib.Path:
    if os.path.exists(name_or_path):
        # For float32 throughout, an artifact keeps its own weights.
        return _native.resolve_model(name_or_path, None, 16 if exact else 4)
    if str(name_or_path) == BUNDLED:
        return _bundled_folder()
    return pull(f"{name_or_path}@{revision}" if revision is not None else name_or_path)


def find_adapters(lora: Sequence[Adapter]) -> Adapters:
    if isinstance(lora, (str, os.PathLike)):
        raise TypeError("lora is a list of adapters")
    pairs = [adapter if isinstance(adapter, tuple) else (adapter, 1.0) for adapter in lora]
    return tuple((pull(source), float(weight)) for source, weight in pairs)


def load(folder: pathlib.Path, compute: str, threads: int, lora: Adapters) -> _native.Engine:
    """Returns the engine of a folder. Callers that load the same model share one engine."""
    adapters = tuple((os.path.realpath(source), weight) for source, weight in lora)
    key = (os.path.realpath(folder), compute, threads, adapters)
    with _engines_lock:
        engine = _engines.get(key)
        if engine is None:
            engine = _engines[key] = _native.Engine(folder, compute, threads, lora)
        return engine
