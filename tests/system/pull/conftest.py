"""Fixtures and helpers for tests of `uffizi pull`."""

import os
import pathlib
import subprocess

import pytest
from source import REPOSITORY, Source

COMMAND = os.environ["UFFIZI_COMMAND"]
TREE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = TREE / "models" / "uffizi-tiny"
ARTIFACT = TREE / "tests" / "data" / "models" / "florence_2_tiny_int4.zip"
MICROSOFT = TREE / "tests" / "data" / "models" / "microsoft" / "florence_2_tiny_int4.zip"
WEIGHTS = "model.safetensors"
KEY = REPOSITORY.replace("/", "--")


@pytest.fixture(scope="module")
def content():
    return {file.name: file.read_bytes() for file in MODEL.iterdir()}


@pytest.fixture
def source(content):
    source = Source(content, ARTIFACT.read_bytes())
    yield source
    source.close()


@pytest.fixture
def environment(source, tmp_path):
    names = ("PATH", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ} | {
        "HOME": str(tmp_path / "home"),
        "UFFIZI_CACHE": str(tmp_path / "cache"),
        "HF_ENDPOINT": source.url,
        "UFFIZI_MODELS_URL": source.url + "/spark",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "no_proxy": "*",
    }


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def uffizi(environment, *arguments, **options):
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def pull(environment, name=REPOSITORY):
    return uffizi(environment, "pull", name)


def check_whole(result, cache, content):
    assert result.returncode == 0, result.stderr
    folder = pathlib.Path(result.stdout.strip())
    assert folder == cache / "models" / KEY
    assert (folder / WEIGHTS).read_bytes() == content[WEIGHTS]
    assert (folder / "config.json").read_bytes() == content["config.json"]
    assert not list(cache.glob("downloads/*"))
    assert not list(cache.glob("**/*.part*"))


def pull_at_once(environment, name, processes=3):
    """What several processes that pull the same at the same time end with."""
    started = [
        subprocess.Popen(
            [COMMAND, "pull", name],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    ended = []
    for process in started:
        out, err = process.communicate(timeout=120)
        ended.append(subprocess.CompletedProcess([], process.returncode, out, err))
    return ended
