"""The Python lines of README.md and docs/python.md, as they stand there."""

import re
import subprocess
import sys

import pytest

# In the environment, so that the test files share it.
CACHE = f"{sys.prefix}/mypy-cache"
PAGES = ["README.md", "docs/python.md", "bindings/python/README.md"]


def blocks(source, page):
    """The page's Python, but what needs Spark, which has tests of its own."""
    found = re.findall(
        r"^```python\n(.*?)^```", (source / page).read_text(), re.MULTILINE | re.DOTALL
    )
    return [block for block in found if "pyspark" not in block and "uffizi.spark" not in block]


def prepare(folder, code, scene):
    """Every picture and folder that the lines name."""
    for name in re.findall(r'"([\w./-]+\.(?:jpe?g|png|webp))"', code):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(scene.read_bytes())
    for name in re.findall(r'"(train\.parquet)"', code):
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({"image": [{"bytes": scene.read_bytes(), "path": "a.png"}]})
        pyarrow.parquet.write_table(table, folder / name)
    for name in re.findall(r'"([\w.-]+/)"', code):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "one.png").write_bytes(scene.read_bytes())


@pytest.mark.parametrize("page", PAGES)
def test_lines_run(page, source, scene, tmp_path):
    code = "\n".join(blocks(source, page))
    assert code
    prepare(tmp_path, code, scene)
    (tmp_path / "page.py").write_text(code)
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_lines_have_types(source, tmp_path):
    code = "\n".join(blocks(source, "docs/python.md"))
    (tmp_path / "page.py").write_text(code)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", CACHE, "page.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
