#!/usr/bin/env bash
# openvino_env.sh: makes build/openvino-env, a Python environment with the openvino wheel, whose C++
# headers and libraries the build takes, and prints the folder of its CMake files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/python_env.sh build/openvino-env - <<<'openvino==2026.4.*'
build/openvino-env/bin/python -c \
  'import pathlib, openvino; print(pathlib.Path(openvino.__file__).parent / "cmake")'
