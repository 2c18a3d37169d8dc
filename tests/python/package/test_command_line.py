import json
import subprocess
import sys

import pytest

import uffizi
from conftest import close


@pytest.mark.parametrize("command", [[sys.executable, "-m", "uffizi"], ["uffizi"]])
def test_is_the_command_line(command, scene, model):
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert uffizi.__version__ in version.stdout
    ask = [*command, "annotate", scene, "--task", "od", "--task", "caption", "--format", "jsonl"]
    done = subprocess.run(ask, capture_output=True, text=True, check=True)
    for line, result in zip(
        done.stdout.splitlines(), model(scene, ["<OD>", "<CAPTION>"]), strict=True
    ):
        record = json.loads(line)
        assert record["text"] == result.text
        assert close(record["result"], result.answer)
    assert (
        subprocess.run(
            [*command, "annotate", "none.png", "--task", "od"], capture_output=True
        ).returncode
        == 1
    )
    assert subprocess.run([*command, "nonsense"], capture_output=True).returncode == 2
