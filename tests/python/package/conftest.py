import os
import pathlib

import pytest

import uffizi

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def pictures():
    return SOURCE / "samples"


@pytest.fixture(scope="session")
def other(pictures):
    return pictures / "village.jpg"


@pytest.fixture(scope="session")
def scene(pictures):
    return pictures / "aquarium.png"


@pytest.fixture(scope="session")
def model():
    return uffizi.Florence2.from_pretrained()


def close(one, other):
    """Whether two answers are equal but for the last digits of their numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == (pytest.approx(other, rel=1e-3, abs=1e-4) if isinstance(other, float) else other)
