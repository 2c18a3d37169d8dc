"""`uffizi pull` and models by name, against a server that does all that networks do."""

import signal
import subprocess
import time

import pytest
from conftest import (
    COMMAND,
    TREE,
    MODEL,
    ARTIFACT,
    WEIGHTS,
    KEY,
    uffizi,
    pull,
    pull_at_once,
    check_whole,
)
from source import REPOSITORY, Source


def test_pull(environment, source, cache, content):
    source.files |= {
        "pytorch_model.bin": b"pickle",
        "modeling.py": b"code",
        "../evil.json": b"{}",
        "onnx/config.json": b"{}",
    }
    check_whole(pull(environment), cache, content)
    names = {file.name for file in (cache / "models" / KEY).iterdir()}
    assert names <= set(content) and {"config.json", WEIGHTS, "tokenizer.json"} <= names
    # Afterwards the network is not asked again.
    count = len(source.requests)
    check_whole(pull(environment | {"UFFIZI_OFFLINE": "1"}), cache, content)
    assert len(source.requests) == count


def test_model_by_name(environment, cache):
    picture = TREE / "samples" / "football.jpg"
    answers = [
        uffizi(
            environment,
            "annotate",
            picture,
            "--task",
            "caption",
            "--format",
            "json",
            "--model",
            model,
        )
        for model in (REPOSITORY, MODEL)
    ]
    assert [answer.returncode for answer in answers] == [0, 0], answers[0].stderr
    texts = [answer.stdout.split('"text":')[1].split(",")[0] for answer in answers]
    assert texts[0] == texts[1]
    assert uffizi(environment, "info", REPOSITORY).stdout.count(str(cache)) == 1
    assert uffizi(environment, "tokenize", "--model", REPOSITORY, input="a cat").stdout


def test_adapter_by_name(environment, source, cache):
    adapter = TREE / "tests" / "data" / "lora" / "linear"
    source.files = {file.name: file.read_bytes() for file in adapter.iterdir()}
    source.files["README.md"] = b"# An adapter"
    # It is of another model, as only somebody who has read it can tell.
    result = uffizi(environment, "info", MODEL, "--lora", REPOSITORY + "=0.5")
    assert result.returncode == 3 and "[96, 32]" in result.stderr, result.stderr
    names = {file.name for file in (cache / "models" / KEY).iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors"}


def test_broken_connections_are_taken_up_again(environment, source, cache, content):
    source.break_off[WEIGHTS] = [300_000, 0, 500_000]
    source.busy["config.json"] = 2
    check_whole(pull(environment), cache, content)
    assert source.fetched(WEIGHTS) == [None, "bytes=300000-", "bytes=300000-", "bytes=800000-"]


def test_a_server_without_ranges(environment, source, cache, content):
    source.break_off[WEIGHTS] = [300_000]
    source.no_ranges = True
    check_whole(pull(environment), cache, content)


def test_a_server_that_always_breaks_off(environment, source, cache):
    source.break_off[WEIGHTS] = [1000] * 100
    source.no_ranges = True
    result = pull(environment)
    assert result.returncode == 4
    assert WEIGHTS in result.stderr and str(cache / "models" / KEY) in result.stderr
    assert len(source.fetched(WEIGHTS)) < 10


def test_a_server_that_sends_another_range(environment, source, cache, content):
    source.break_off[WEIGHTS] = [300_000]
    source.wrong_ranges = True
    check_whole(pull(environment), cache, content)
    assert source.fetched(WEIGHTS)[-1] is None


def test_a_file_that_changed_meanwhile(environment, source, cache, content):
    place = cache / "downloads" / KEY
    place.mkdir(parents=True)
    (place / (WEIGHTS + ".part")).write_bytes(b"of another version")
    (place / (WEIGHTS + ".part.etag")).write_text('"another"')
    check_whole(pull(environment), cache, content)
    # Without a tag, only the checksum tells.
    source.requests.clear()
    (cache / "models" / KEY / WEIGHTS).unlink()
    place.mkdir(parents=True)
    (place / (WEIGHTS + ".part")).write_bytes(b"of another version")
    (cache / "models" / KEY).rename(cache / "old")
    check_whole(pull(environment), cache, content)
    assert source.fetched(WEIGHTS) == ["bytes=18-", None]


@pytest.mark.parametrize("lie", ["size", "larger", "sha256", "length", "extra"])
def test_lies(environment, source, cache, content, lie):
    size = len(content[WEIGHTS])
    if lie == "size":
        source.stated_size[WEIGHTS] = size - 10
    elif lie == "larger":
        source.stated_size[WEIGHTS] = size + 10
    elif lie == "sha256":
        source.stated_sha256[WEIGHTS] = "0" * 64
    elif lie == "length":
        source.stated_length[WEIGHTS] = size + 1000
    elif lie == "extra":
        source.extra[WEIGHTS] = b"more"
    result = pull(environment)
    if lie == "length":  # all of it came, whatever was said
        check_whole(result, cache, content)
        return
    assert result.returncode == 4, result.stderr
    assert WEIGHTS in result.stderr
    assert not (cache / "models" / KEY).exists()
    assert len(source.fetched(WEIGHTS)) <= 3
    # And when the source speaks the truth again:
    for lies in (source.stated_size, source.stated_sha256, source.extra):
        lies.clear()
    check_whole(pull(environment), cache, content)


def test_redirects_and_the_token(environment, source, cache, content):
    storage = Source(content)
    try:
        source.redirect_to = storage
        source.token = "secret"
        refused = pull(environment)
        assert refused.returncode == 2
        assert "HF_TOKEN" in refused.stderr and "secret" not in refused.stderr
        check_whole(pull(environment | {"HF_TOKEN": "secret"}), cache, content)
        assert storage.requests
        # The storage is another host, which must not see the token.
        assert all(authorization is None for _, _, authorization in storage.requests)
        assert source.requests[-1][2] == "Bearer secret"
    finally:
        storage.close()


def test_redirects_without_end(environment, source, cache):
    source.redirect_to = source
    result = pull(environment)
    assert result.returncode == 4
    assert "redirect" in result.stderr


def test_silence(environment, source):
    source.silent = {"config.json"}
    start = time.monotonic()
    result = pull(environment | {"HF_HUB_DOWNLOAD_TIMEOUT": "1"})
    assert result.returncode == 4
    assert "config.json" in result.stderr
    assert time.monotonic() - start < 18


def test_killed_and_taken_up_again(environment, source, cache, content):
    source.bytes_a_second = 2_000_000
    process = subprocess.Popen(
        [COMMAND, "pull", REPOSITORY],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    part = cache / "downloads" / KEY / (WEIGHTS + ".part")
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 500_000):
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = part.stat().st_size
    finished = [file.name for file in part.parent.iterdir() if ".part" not in file.name]
    assert not (cache / "models" / KEY).exists()
    source.bytes_a_second = None
    source.requests.clear()
    check_whole(pull(environment), cache, content)
    assert source.fetched(WEIGHTS) == [f"bytes={kept}-"]
    assert not any(source.fetched(name) for name in finished)


def test_two_at_once(environment, source, cache, content):
    source.bytes_a_second = 8_000_000
    for ended in pull_at_once(environment, REPOSITORY):
        check_whole(ended, cache, content)
    assert len(source.fetched(WEIGHTS)) == 1


@pytest.mark.parametrize("variable", ["UFFIZI_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(environment, source, cache, content, variable):
    result = pull(environment | {variable: "1"})
    assert result.returncode == 2
    assert "offline" in result.stderr and str(cache / "models" / KEY) in result.stderr
    assert not source.requests
    zip_place = cache / "models" / "florence_2_large_int4.zip"
    result = pull(environment | {variable: "1"}, "florence_2_large_int4")
    assert f"_1748317523815.zip at {zip_place}" in result.stderr
    # What the messages say helps.
    (cache / "models" / KEY).mkdir(parents=True)
    for name, bytes_ in content.items():
        (cache / "models" / KEY / name).write_bytes(bytes_)
    check_whole(pull(environment | {variable: "1"}), cache, content)
    zip_place.write_bytes(ARTIFACT.read_bytes())
    assert pull(environment | {variable: "1"}, "florence_2_large_int4").returncode == 0


def test_what_hugging_face_tools_downloaded(environment, source, tmp_path):
    hub = tmp_path / "home/.cache/huggingface/hub/models--someone--Florence-2-tiny"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("abc123")
    (hub / "snapshots").mkdir()
    (hub / "snapshots" / "abc123").symlink_to(MODEL)
    result = pull(environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(hub / "snapshots" / "abc123")
    assert not source.requests


def test_through_a_proxy(environment, source, cache, content):
    proxied = environment | {"HF_ENDPOINT": "http://hub.invalid", "http_proxy": source.url}
    del proxied["no_proxy"]
    check_whole(pull(proxied), cache, content)


@pytest.mark.parametrize(
    "name, code, word",
    [
        ("no/such", 2, "404"),
        ("no-such-folder", 2, "no such model folder"),
        ("a/../b", 2, "no such model folder"),
        ("someone/Florence-2-tiny@old", 2, "404"),
    ],
)
def test_names_that_are_nothing(environment, cache, name, code, word):
    result = pull(environment, name)
    assert result.returncode == code and word in result.stderr, result.stderr
    assert result.stderr.startswith("uffizi: ") and result.stderr.count("\n") == 1
    assert not list(cache.glob("models/*/"))


def test_pickles_are_refused(environment, source):
    source.files = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    result = pull(environment)
    assert result.returncode == 3 and "pickles" in result.stderr
    assert not source.fetched("config.json")


def test_nobody_answers(environment, source, cache):
    source.close()
    result = pull(environment)
    assert result.returncode == 4
    assert "cannot be downloaded" in result.stderr and str(cache / "models" / KEY) in result.stderr
