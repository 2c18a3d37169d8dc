#!/usr/bin/env bash
# Compares 4-bit weights with float32: on the included model with the sample pictures, and on random
# weights of the large model's sizes (about 6 GB of memory and 2 GB of disk; --small skips these).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=build/release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tiny=models/uffizi-tiny

quantize() {  # MODEL NAME [options]
  echo "$2: $("$bin/uffizi" quantize "$1" "$work/$2" --quiet "${@:3}" | tail -3 | head -1)"
}

echo "== $tiny, sample pictures, three prompts each =="
quantize $tiny group-64
quantize $tiny group-32 --group-size 32
quantize $tiny group-32-asymmetric --group-size 32 --asymmetric
quantize $tiny group-32-calibrated --group-size 32 --calibrate samples
quantize $tiny 8-bit --bits 8
folders=()
for name in group-64 group-32 group-32-asymmetric group-32-calibrated 8-bit; do
  folders+=(--folder "$work/$name")
done
"$bin/measure_loss" $tiny --parts "${folders[@]}" samples/*.jpg samples/*.png
[ "${1:-}" = --small ] && exit

echo "== Florence-2-large's sizes, random weights, two patterns =="
large=$work/large
mkdir "$large"
cp bench/large.json "$large/config.json"
echo '{"size": {"width": 768, "height": 768}}' >"$large/preprocessor_config.json"
"$bin/make_random_model" "$large"
time quantize "$large" large-group-64
"$bin/measure_loss" "$large" --folder "$work/large-group-64"
