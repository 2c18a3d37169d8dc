"""PySpark tests. They see uffizi.spark of the source tree: it needs nothing of the package's native
part, which need not be built here."""

import importlib.machinery
import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3]
MODEL = SOURCE / "models" / "uffizi-tiny"


def _add_package():
    folder = SOURCE / "bindings" / "python" / "src" / "uffizi"
    spec = importlib.machinery.ModuleSpec("uffizi", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules["uffizi"] = importlib.util.module_from_spec(spec)


_add_package()


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "slow: takes long and seldom fails; ./run test --all runs it"
    )


os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def png(width, height, shift=0):
    """A PNG file of a red square and a blue one on white."""
    rows = []
    for y in range(height):
        row = bytearray(b"\xff" * (3 * width))
        for x in range(width):
            if width // 10 <= x - shift < width // 2 and height // 10 <= y < height // 2:
                row[3 * x : 3 * x + 3] = b"\xff\x00\x00"
            elif x >= width * 6 // 10 and height * 6 // 10 <= y < height * 9 // 10:
                row[3 * x : 3 * x + 3] = b"\x00\x00\xff"
        rows.append(b"\0" + bytes(row))

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


def write_pictures(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    files = [png(96, 96, shift) for shift in range(8)]
    for i in range(count):
        (folder / f"{i:05d}.png").write_bytes(files[i % 8])
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with the model under the name that `pretrained()` looks for."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "florence_2_base_ft_int4").symlink_to(MODEL)
    return folder


@pytest.fixture(scope="session")
def spark(models):
    """A session like any user's: nobody told it of the jar."""
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.uffizi.models", str(models))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"), 3)


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A folder with the whole package: the native part of the wheel, and uffizi.spark of the source."""
    wheels = sorted((SOURCE / "build" / "wheel").glob("uffizi-*.whl"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    folder = tmp_path_factory.mktemp("package")
    if (
        not wheels
        or subprocess.run([*install, str(folder), *map(str, wheels[:1])], check=False).returncode
    ):
        pytest.skip("needs the wheel of `./run wheel`")
    shutil.rmtree(folder / "uffizi" / "spark", ignore_errors=True)
    (folder / "uffizi" / "spark").symlink_to(SOURCE / "bindings/python/src/uffizi/spark")
    return folder
