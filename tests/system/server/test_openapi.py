"""The OpenAPI document is true: schemathesis asks what it allows and what it forbids."""

import os
import subprocess
import sys

CONFIG = """
[checks.positive_data_acceptance]
# A text that the schema allows may still be no picture, no region, or no prompt of its task.
expected-statuses = ["2xx", "404", "413", "422"]
"""


def test_schemathesis_finds_nothing(server, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    examples = os.environ.get("UFFIZI_SCHEMATHESIS_EXAMPLES", "10")
    ran = subprocess.run(
        [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"),
            "run",
            server.url + "/openapi.json",
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            examples,
            "--seed",
            "1",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert server.client.get("/healthz").status_code == 200
