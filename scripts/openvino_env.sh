#!/usr/bin/env bash
# openvino_env.sh: makes build/openvino-env, a Python environment with the openvino wheel, whose C++
# headers and libraries the build takes, and prints the folder of its CMake files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
env=build/openvino-env
if [ ! -e "$env/installed" ]; then
  python3 -m venv "$env"
  "$env/bin/pip" install --quiet 'openvino==2026.4.*' >&2
  touch "$env/installed"
fi
"$env/bin/python" -c 'import pathlib, openvino; print(pathlib.Path(openvino.__file__).parent / "cmake")'
