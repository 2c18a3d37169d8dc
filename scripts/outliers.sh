#!/usr/bin/env bash
# Measures how outlier channels affect answers, with models that compute the same function as the included
# one (tests/support/outliers.py), on held-out scenes in float32 and in 4 bits.
# scripts/outliers.sh [SCENES] [FACTOR...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scenes=${1:-120}
shift || true
factors=("$@")
[ ${#factors[@]} -gt 0 ] || factors=(10 30 100 300 1000)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=build/eval-env/bin/python

evaluate() {  # TITLE MODEL ARITHMETIC...
  echo "== $1"
  "$python" training/evaluate.py --scenes "$scenes" --groups seen --model "$2" --compute "${@:3}" | tail -n +3
}

evaluate "no outliers" models/uffizi-tiny f32 int4
for factor in "${factors[@]}"; do
  for seed in 1 2 3; do
    "$python" tests/support/outliers.py models/uffizi-tiny "$work/model" --factor "$factor" --seed "$seed"
    evaluate "$factor times, seed $seed" "$work/model" f32 int4
    rm -r "$work/model"
  done
done
