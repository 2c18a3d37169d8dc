"""The command line, the included model, and the model with outliers."""

import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"


def run(*arguments, code=0):
    command = [os.environ["UFFIZI_COMMAND"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=600)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def make_outliers(out, *arguments):
    """Writes the model with outliers, which change nothing in float32, to a folder."""
    script = SOURCE / "tests" / "support" / "outliers.py"
    subprocess.run([sys.executable, *map(str, (script, MODEL, out, *arguments))], check=True)
    return out


def make_unrounded(out, seed=0):
    """Writes the model with weights that rounding to 4 bits changes to a folder."""
    script = SOURCE / "tests" / "support" / "unrounded.py"
    subprocess.run([sys.executable, script, MODEL, out, "--seed", str(seed)], check=True)
    return out


@pytest.fixture(scope="session")
def unrounded(tmp_path_factory):
    return make_unrounded(tmp_path_factory.mktemp("unrounded") / "model")
