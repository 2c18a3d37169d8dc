"""Spark NLP's artifacts by name: downloaded, imported and made small."""

import json
import pathlib

import pytest
from conftest import MICROSOFT, WEIGHTS, pull, pull_at_once, uffizi
from microsoft_artifacts import microsoft_artifact


@pytest.mark.parametrize("name", ["florence_2_base_ft_int4", "florence_2_large_int4"])
def test_artifact_by_name(environment, cache, name):
    # The large one is not in the list, but its address is known.
    result = pull(environment, name)
    assert result.returncode == 0, result.stderr
    assert (cache / "models" / name / WEIGHTS).exists()
    assert not list(cache.glob("downloads/*"))
    assert "vocabulary 1537" in uffizi(environment, "info", name).stdout


@pytest.mark.parametrize("found, group", [("in the repository", 16), ("C", 64)])
def test_microsofts_artifact_becomes_small(environment, source, cache, tmp_path, found, group):
    """Of the kind that is released: imported in 4 bits, once, however many ask at the same time."""
    source.artifact = microsoft_artifact(found, tmp_path).path.read_bytes()
    name = "florence_2_large_int4"
    for ended in pull_at_once(environment, name):
        assert ended.returncode == 0, ended.stderr
        assert pathlib.Path(ended.stdout.strip()) == cache / "models" / name
    assert len([path for path, _, _ in source.requests if path.endswith(".zip")]) == 1
    config = json.loads((cache / "models" / name / "config.json").read_text())
    weights = config["quantization_config"]["config_groups"]["group_0"]["weights"]
    assert weights["num_bits"] == 4 and weights["group_size"] == group
    assert len(config["quantization_config"]["config_groups"]) == 1
    assert not list(cache.glob("downloads/*")) and not list(cache.glob("**/*.part*"))
    source.requests.clear()
    assert pull(environment, name).returncode == 0
    assert not source.requests


def test_broken_artifact_leaves_nothing(environment, source, cache):
    source.artifact = MICROSOFT.read_bytes()[:500_000]
    result = pull(environment, "florence_2_base_ft_int4")
    assert result.returncode != 0
    assert "is damaged or no zip" in result.stderr
    assert not (cache / "models" / "florence_2_base_ft_int4").exists()
    assert not list(cache.glob("**/*.part*"))


def test_artifact_with_a_wrong_checksum(environment, source, cache):
    source.artifact_md5 = "1" * 32
    result = pull(environment, "florence_2_base_ft_int4")
    assert result.returncode == 4
    assert "md5:" + "1" * 32 in result.stderr
    assert not (cache / "models" / "florence_2_base_ft_int4").exists()
