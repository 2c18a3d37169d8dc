#!/usr/bin/env bash
# Makes the tests' goldens again from what they are compared with: PyTorch, transformers, tokenizers
# and Pillow, in an environment of their own under build/.
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
