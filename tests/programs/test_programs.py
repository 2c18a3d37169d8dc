"""Installs the wheel beside the real packages, in build/programs-env, and runs the tests there."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
PYTHON = SOURCE / "build" / "programs-env" / "bin" / "python"
FILES = [*sorted(HERE.glob("package/test_*.py")), SOURCE / "tests/python/package/test_cards.py"]


@pytest.fixture(scope="session")
def python():
    if not PYTHON.exists():
        pytest.skip("build/programs-env is not there; `./run programs` makes it (8 GB)")
    (wheel,) = (SOURCE / "build" / "wheel").glob("uffizi-*.whl")
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, wheel], check=True)
    subprocess.run([*pip, "--force-reinstall", "--no-deps", wheel], check=True)
    return PYTHON


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_with_the_real_packages(python, file, tmp_path):
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    environment["HOME"] = str(tmp_path)  # what the packages keep of their own
    environment.pop("PYTHONPATH", None)
    command = [python, "-m", "pytest", "-q", "-x", "-rs", "-p", "no:cacheprovider", file]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, file=sys.stdout)
    assert done.returncode == 0, done.stdout
