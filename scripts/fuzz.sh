#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz, all or those named, one after another:
#   fuzz.sh [TARGET...] [--seconds N]
# The corpus grows in build/fuzz/corpus/TARGET; findings are in build/fuzz/findings/TARGET-*.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=60
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2; shift ;;
    *) targets+=("$1") ;;
  esac
  shift
done
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(sed -nE 's/^uffizi_fuzz\((\w+) .*/\1/p' tests/fuzz/CMakeLists.txt)
fi
cmake --build build/fuzz -j "$(nproc)" --target "${targets[@]/#/fuzz_}"

work=build/fuzz
mkdir -p $work/findings
# Where pdfium is found.
export VIRTUAL_ENV=${VIRTUAL_ENV:-$PWD/build/test-env}
# Inputs go through files, in memory if possible.
if [ -d /dev/shm ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
failed=()
for target in "${targets[@]}"; do
  echo "== $target"
  corpus=$work/corpus/$target
  inputs=("$corpus" "$work/tests/fuzz/seeds/$target")
  mkdir -p "$corpus"
  if [ -d "tests/fuzz/regressions/$target" ]; then inputs+=("tests/fuzz/regressions/$target"); fi
  "$work/bin/fuzz_$target" "${inputs[@]}" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -max_len=1000000 -artifact_prefix="$work/findings/$target-" \
    -print_final_stats=1 -verbosity=0 || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "findings in ${failed[*]}: see $work/findings" >&2
  exit 1
fi
