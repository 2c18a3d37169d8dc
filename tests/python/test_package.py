"""Installs the wheel into a fresh environment, and runs the tests of the package there."""

import os
import pathlib
import subprocess
import sys
import venv

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """The interpreter of an environment that holds the wheel and nothing of the source tree."""
    (wheel,) = (SOURCE / "build" / "wheel").glob("uffizi-*.whl")
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    requirements = HERE / "requirements.txt"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*install, f"{wheel}[pandas,parquet,supervision]", "-r", requirements], check=True
    )
    return python


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("package/test_*.py")))
def test_in_fresh_environment(python, name, tmp_path):
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        HERE / "package" / name,
    ]
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
