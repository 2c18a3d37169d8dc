"""The messages when the native module cannot be loaded."""

import os
import pathlib
import platform
import shutil
import struct
import subprocess
import sys

import pytest
import uffizi
from uffizi._load import explain

FOLDER = pathlib.Path(uffizi.__file__).parent


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "/lib/libc.so.6: version `GLIBC_2.28' not found (required by /x/_native.abi3.so)",
            "needs glibc 2.28 or later",
        ),
        (
            "libuv.so.1: cannot open shared object file: No such file or directory",
            "needs libuv.so.1, which is not there",
        ),
        (
            "Error loading shared library ld-linux-x86-64.so.2: No such file or directory",
            "another C library",
        ),
        (
            "cannot import name '_native' from partially initialized module 'uffizi'",
            "install it again with this Python",
        ),
    ],
)
def test_says_what_is_missing_on_what_system(reason, words):
    said = explain(reason + "\nand more")
    assert words in said and "\n" not in said
    assert platform.machine() in said and platform.python_version() in said


def import_of(folder):
    """The last line of what `import uffizi` from this folder prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    # Without the installed package, whose folder uffizi's path would be extended by.
    code = f"import sys; sys.path.remove({str(FOLDER.parent)!r}); import uffizi"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture
def copy(tmp_path):
    """The package without its native part."""
    shutil.copytree(
        FOLDER,
        tmp_path / "uffizi",
        ignore=shutil.ignore_patterns("_native*.so", "share", "bin", "jars"),
    )
    return tmp_path


def test_native_part_of_another_python(copy):
    shutil.copy(
        next(FOLDER.glob("_native*.so")), copy / "uffizi" / "_native.cpython-38-x86_64-linux-gnu.so"
    )
    said = import_of(copy)
    assert said.startswith("ImportError: uffizi's native part cannot be loaded on Linux")
    assert "another Python or processor" in said


def test_native_part_of_another_processor(copy):
    module = next(FOLDER.glob("_native*.so"))
    data = bytearray(module.read_bytes())
    data[18:20] = struct.pack("<H", 243)  # e_machine: RISC-V
    (copy / "uffizi" / module.name).write_bytes(data)
    said = import_of(copy)
    assert said.startswith("ImportError: uffizi's native part cannot be loaded on Linux")
    assert "built for another processor" in said and module.name in said
