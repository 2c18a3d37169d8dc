"""Requirements on a package that has threads of its own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

import uffizi

LONG = """
import sys, uffizi
model = uffizi.Florence2.from_pretrained()
picture = model.encode(sys.argv[1])
print("ready", flush=True)
try:
    if sys.argv[2] == "call":
        while True:
            model([picture] * 64, "<CAPTION>", num_beams=4, min_length=250, batch_size=64)
    else:
        for _ in model.stream(picture, "<CAPTION>", num_beams=32, min_length=250):
            pass
        while True:
            list(model.stream(picture, "<CAPTION>", num_beams=32, min_length=250))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("way", ["call", "stream"])
def test_ctrl_c(scene, way):
    child = subprocess.Popen(
        [sys.executable, "-c", LONG, scene, way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # background jobs ignore it
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.7)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, error = child.communicate(timeout=60)
    assert out == "interrupted\n" and child.returncode == 0, error
    assert time.monotonic() - start < 20  # the endless calls would go on


def ask(model_and_path):
    model, path = model_and_path
    return model(path, "<OD>").text


def test_spawn(model, scene):
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:  # the model travels as its folder's name
        assert pool.map(ask, [(model, scene)] * 2) == [model(scene, "<OD>").text] * 2


FORK = """
import os, sys, uffizi
if sys.argv[2] == "loaded":
    model = uffizi.Florence2.from_pretrained()
    model(sys.argv[1], "<OD>")
pid = os.fork()
if pid == 0:
    for use in (lambda: model(sys.argv[1], "<OD>"), uffizi.Florence2.from_pretrained):
        try:
            if sys.argv[2] == "fresh":
                model = uffizi.Florence2.from_pretrained()
            use()
            print("answered", flush=True)
        except uffizi.UnsupportedError as error:
            assert "spawn" in str(error)
            print("refused", flush=True)
    sys.exit()
_, status = os.waitpid(pid, 0)
if sys.argv[2] == "loaded":
    model(sys.argv[1], "<OD>")
print("parent", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("when, said", [("loaded", "refused"), ("fresh", "answered")])
def test_fork(scene, when, said):
    done = subprocess.run(
        [sys.executable, "-c", FORK, scene, when], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"{said}\n{said}\nparent 0\n", done.stderr


LEAKS = """
import gc, resource, sys, uffizi
import numpy as np
model = uffizi.Florence2.from_pretrained()
array = np.zeros((200, 300, 3), np.uint8)
data = open(sys.argv[1], "rb").read()

def use():
    result = model(array, "<OD>")
    model(data, ["<CAPTION>", "<OCR>"], max_new_tokens=6)[0].draw()
    picture = model.encode(array)
    picture.tokens
    list(picture.stream("<CAPTION>", max_new_tokens=3))
    model.info, model.tokenize("a"), result.to_dict()
    for wrong in (lambda: model(array, "<OD> x"), lambda: model(b"", "<OD>"), lambda: model(array, "<OD>", num_beams=0)):
        try:
            wrong()
        except uffizi.Error:
            pass

def counts():
    gc.collect()
    return len(gc.get_objects()), sys.getrefcount(array), sys.getrefcount(data), sys.getrefcount(model)

for _ in range(5):
    use()
before, memory = counts(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(25):
    use()
after, grown = counts(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
assert after[1:] == before[1:], (before, after)
assert after[0] - before[0] < 20, (before, after)
assert grown < 20_000, f"{grown} kB"
"""


def test_nothing_leaks(scene):
    done = subprocess.run([sys.executable, "-c", LEAKS, scene], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "leak" not in done.stderr, done.stderr  # nanobind tells at exit


def test_no_thread_is_left(model, scene):
    list(model.stream(scene, "<OD>"))
    import threading

    assert [t.name for t in threading.enumerate() if t.name.startswith("uffizi")] == []
    assert os.path.exists(uffizi.__file__)
