#!/usr/bin/env bash
# Builds the Python wheel for this machine in build/wheel. The system's libraries that it needs are bundled
# (auditwheel), so that it runs on any Linux with the same or a later glibc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
env=build/wheel-env
scripts/python_env.sh "$env" bindings/python/build-requirements.txt
rm -rf build/wheel build/wheel-here
# The compiler by the name that the other builds call it, so that ccache knows their objects.
export PATH=$PWD/$env/bin:$PATH CMAKE_GENERATOR=Ninja CXX=${CXX:-c++}
export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
pip wheel --quiet --no-build-isolation --no-deps --wheel-dir build/wheel-here \
  --config-settings=build-dir="$PWD/build/python" \
  --config-settings=cmake.define.UFFIZI_WERROR="${UFFIZI_WERROR:-OFF}" bindings/python
auditwheel repair --wheel-dir build/wheel build/wheel-here/uffizi-*.whl
ls build/wheel/uffizi-*.whl
