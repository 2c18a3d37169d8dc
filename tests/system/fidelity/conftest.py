"""The command line, the included model, and the model with outliers."""

import os
import pathlib
import subprocess

import pytest
from unrounded import write_unrounded

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"


def run(*arguments, code=0):
    command = [os.environ["UFFIZI_COMMAND"], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, timeout=600)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


@pytest.fixture(scope="session")
def unrounded(tmp_path_factory):
    return write_unrounded(MODEL, tmp_path_factory.mktemp("unrounded") / "model")
