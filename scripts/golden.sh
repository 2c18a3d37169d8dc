#!/usr/bin/env bash
# Makes the tests' goldens again from what they are compared with: PyTorch, transformers, tokenizers
# and Pillow, in an environment of their own under build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -x build/golden-env/bin/python ]; then
  python3 -m venv build/golden-env
  build/golden-env/bin/pip install --quiet torch==2.15.0 transformers==5.24.0 compressed-tensors==0.20.0 numpy Pillow
fi
for script in tests/golden/make_*.py; do
  name=$(basename "$script" .py)
  if [ $# -eq 0 ] || [[ " $* " == *" ${name#make_} "* ]]; then
    echo "$script"
    (cd tests/golden && ../../build/golden-env/bin/python "$name.py")
  fi
done
