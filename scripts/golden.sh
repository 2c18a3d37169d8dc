#!/usr/bin/env bash
# Regenerates the tests' goldens with the reference implementations, PyTorch, transformers, tokenizers
# and Pillow, in a Python environment under build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/python_env.sh build/golden-env tests/golden/requirements.txt
for script in tests/golden/make_*.py; do
  name=$(basename "$script" .py)
  if [ $# -eq 0 ] || [[ " $* " == *" ${name#make_} "* ]]; then
    echo "$script"
    (cd tests/golden && ../../build/golden-env/bin/python "$name.py")
  fi
done
