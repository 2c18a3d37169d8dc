#!/usr/bin/env bash
# Makes build/test-env, the Python environment of the tests that compare with Python libraries. The
# build directories find it there; tests/requirements.txt says what is in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=build/test-env/requirements.txt
cmp -s tests/requirements.txt "$stamp" && exit
[ -x build/test-env/bin/python ] || python3 -m venv build/test-env
echo "installing the Python packages of the tests"
build/test-env/bin/pip install --quiet --requirement tests/requirements.txt
cp tests/requirements.txt "$stamp"
