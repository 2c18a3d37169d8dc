#!/usr/bin/env bash
# Prints the project's version, which is defined in the top CMakeLists.txt.
set -euo pipefail
sed -nE 's/^project\(uffizi VERSION ([0-9.]+).*/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../CMakeLists.txt"
