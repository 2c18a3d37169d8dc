import ast
import pathlib
import re
import subprocess
import sys

import uffizi
from uffizi import _native


# In the environment, so that the test files share it.
CACHE = f"{sys.prefix}/mypy-cache"


def run(arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True
    )


def test_package_is_typed(tmp_path):
    assert (pathlib.Path(uffizi.__file__).parent / "py.typed").exists()
    # uffizi.spark needs PySpark, which is not here.
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-uffizi.spark.*]\nignore_errors = True\n")
    done = run(["mypy", "--strict", "--cache-dir", CACHE, "-p", "uffizi"], tmp_path)
    assert done.returncode == 0, done.stdout


def test_stub_is_the_module():
    """nanobind writes the stub; what it names must be what there is, with the same parameters."""
    tree = ast.parse((pathlib.Path(uffizi.__file__).parent / "_native.pyi").read_text())
    stub = {
        node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    public = {name for name in dir(_native) if not name.startswith("_") and name.islower()}
    assert public == {name for name in stub if name.islower()}
    for name, node in stub.items():
        if isinstance(node, ast.ClassDef):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            there = {item for item in dir(getattr(_native, name)) if not item.startswith("_")}
            assert members - {"__init__"} == there, name
        else:
            said = getattr(_native, name).__doc__.splitlines()[0]
            assert all(f"{arg.arg}: " in said for arg in node.args.args), said


def test_wrong_calls_are_seen(tmp_path):
    (tmp_path / "wrong.py").write_text(
        "import uffizi\n"
        "model = uffizi.Florence2.from_pretrained()\n"
        'model("a.jpg", "<OD>", num_beam=3)\n'
        'model("a.jpg", "<OD>", num_beams="3")\n'
        'model("a.jpg", "<OD>").lable\n'
        'model(["a.jpg"], "<OD>").regions\n'
        'model("a.jpg", ["<OD>"])[0].regions\n'
    )
    done = run(["mypy", "--cache-dir", CACHE, "wrong.py"], tmp_path)
    lines = set(re.findall(r"wrong.py:(\d): error", done.stdout))
    assert lines == {"3", "4", "5", "6"}, done.stdout
