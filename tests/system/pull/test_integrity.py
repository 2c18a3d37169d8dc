"""What `uffizi pull` brings is what the source has, and what is in the cache stays that."""

import time

import pytest
from conftest import KEY, WEIGHTS, check_whole, pull, uffizi
from source import REPOSITORY


def change(content):
    """A file of the same length with other bytes."""
    return bytes(byte ^ 1 for byte in content)


@pytest.mark.parametrize("tags", [['W/"a"', 'W/"b"'], ['W/"a"'], ['"a"', '"b"'], [""]])
@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changes_in_the_middle(environment, source, cache, content, tags, heeds):
    """No checksum tells: with a tag that is weak, missing, or another one than before, the file is
    fetched anew."""
    source.no_checksums = True
    source.heeds_if_range = heeds
    new = content | {WEIGHTS: change(content[WEIGHTS])}
    source.etags[WEIGHTS] = list(tags)
    source.break_off[WEIGHTS] = [300_000]
    send = source.send_file

    def send_file(request, name, body):
        send(request, name, body)
        if name == WEIGHTS:  # from now on another file
            source.files[WEIGHTS] = new[WEIGHTS]

    source.send_file = send_file
    check_whole(pull(environment), cache, new)


def test_strong_tags_are_trusted(environment, source, cache, content):
    source.no_checksums = True
    source.break_off[WEIGHTS] = [300_000]
    check_whole(pull(environment), cache, content)
    assert source.fetched(WEIGHTS) == [None, "bytes=300000-"]


def test_damage_in_the_cache(environment, cache):
    def verify():
        return uffizi(environment, "pull", "--verify", REPOSITORY)

    assert verify().returncode == 2  # not there
    assert pull(environment).returncode == 0
    good = verify()
    assert good.returncode == 0 and "match their checksums" in good.stdout
    weights = cache / "models" / KEY / WEIGHTS
    whole = weights.read_bytes()
    # One bit: only --verify can tell.
    weights.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    bad = verify()
    assert bad.returncode == 3 and WEIGHTS in bad.stderr and "checksum" in bad.stderr
    # Cut off: whoever loads it is told, and told what to do.
    weights.write_bytes(whole[:5000])
    for result in (pull(environment), uffizi(environment, "info", REPOSITORY)):
        assert result.returncode == 3, result.stderr
        assert WEIGHTS in result.stderr and "5000 bytes" in result.stderr
        assert f"uffizi pull {REPOSITORY}" in result.stderr
    weights.write_bytes(whole)
    assert verify().returncode == 0
    (weights.parent / "tokenizer.json").unlink()
    assert verify().returncode == 3
    assert "tokenizer.json: is missing" in uffizi(environment, "info", REPOSITORY).stderr


def test_verify_an_artifact(environment):
    assert pull(environment, "florence_2_base_ft_int4").returncode == 0
    assert uffizi(environment, "pull", "--verify", "florence_2_base_ft_int4").returncode == 0


def test_what_hugging_face_tools_downloaded(environment, source, tmp_path):
    import hashlib

    blobs = tmp_path / "home/.cache/huggingface/hub" / f"models--{KEY}" / "blobs"
    snapshot = blobs.parent / "snapshots" / "abc"
    (blobs.parent / "refs").mkdir(parents=True)
    (blobs.parent / "refs" / "main").write_text("abc")
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name, data in source.files.items():
        blob = blobs / hashlib.sha256(data).hexdigest()
        blob.write_bytes(data)
        (snapshot / name).symlink_to(blob)
    assert uffizi(environment, "pull", "--verify", REPOSITORY).returncode == 0
    (snapshot / WEIGHTS).resolve().write_bytes(b"x")
    assert uffizi(environment, "pull", "--verify", REPOSITORY).returncode == 3


def test_drips_have_an_end(environment, source):
    """Some bytes a second, for ever: neither silence nor a file."""
    source.endless.add("config.json")
    start = time.monotonic()
    result = pull(environment)
    assert result.returncode == 4 and "config.json" in result.stderr
    assert time.monotonic() - start < 40


def test_a_part_that_is_a_link(environment, source, cache, content, tmp_path):
    """Whoever can write to the cache's folder does not choose what a download overwrites."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    place = cache / "downloads" / KEY
    place.mkdir(parents=True)
    (place / (WEIGHTS + ".part")).symlink_to(mine)
    (place / ("config.json.part.etag")).symlink_to(mine)
    pull(environment)
    assert mine.read_text() == "mine"
