"""Loads the native module, or says in one line why that is not possible and what to do."""

from __future__ import annotations

import platform
import re
import sys


def explain(reason: str) -> str:
    """Explains in one line what is missing on this system and what to do. `reason` is Python's or
    the linker's message."""
    reason = " ".join(reason.split())
    system = (
        f"{platform.system()} {platform.release()}, {platform.machine()}, "
        f"Python {platform.python_version()}, {' '.join(platform.libc_ver()) or 'an unknown C library'}"
    )
    return f"uffizi's native part cannot be loaded on {system}: {_advice(reason)}"


def _advice(reason: str) -> str:
    version = re.search(r"version [`']GLIBC_([0-9.]+)' not found", reason)
    if version:
        return (
            f"it needs glibc {version[1]} or later, and this system's is older; use a newer system or container "
            "image, such as RHEL 8, Debian 10, Ubuntu 20.04 or later"
        )
    if "ld-linux" in reason or "musl" in reason:
        return f"it needs glibc, and this system has another C library; use an image of Debian, Ubuntu or RHEL ({reason})"
    library = re.search(r"([^\s:/]+\.so[.0-9]*): cannot open shared object file", reason)
    if library and library[1].startswith(
        "_native"
    ):  # it is there: the linker says so of other processors' files
        return f"it is built for another processor; install it again on this one: pip install --force-reinstall uffizi ({reason})"
    if library:
        return f"it needs {library[1]}, which is not there; install the package that holds it ({reason})"
    if "cannot import name '_native'" in reason or "No module named" in reason:
        free_threaded = "t" in getattr(sys, "abiflags", "")
        kind = (
            "a Python without the GIL, which no wheel is for"
            if free_threaded
            else "another Python or processor"
        )
        return f"what is installed is for {kind}; install it again with this Python: pip install --force-reinstall uffizi"
    return reason


try:
    from . import _native as _native  # noqa: PLC0414 - tried here, used by the other modules
except ImportError as error:
    raise ImportError(explain(str(error)), name=error.name, path=error.path) from error
