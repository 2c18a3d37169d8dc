#!/usr/bin/env bash
# run.sh BUILD: installs that build into a folder of its own, and builds and runs this consumer there.
set -euo pipefail
build=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/consumer" | tee "$work/out"
grep -q '"bboxes"' "$work/out"
"$work/prefix/bin/uffizi" --version
