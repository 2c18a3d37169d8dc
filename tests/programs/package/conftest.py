import os
import pathlib
import sys

import pytest

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
sys.path.append(str(SOURCE / "tests" / "python" / "package"))  # what its tests share


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def pictures():
    return SOURCE / "samples"


@pytest.fixture(scope="session")
def model():
    import uffizi

    return uffizi.Florence2.from_pretrained()


@pytest.fixture
def photos(tmp_path, pictures):
    """A folder of three pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("village.jpg", "penguins.jpg", "football.jpg"):
        (folder / name).write_bytes((pictures / name).read_bytes())
    return folder
