#!/usr/bin/env bash
# Annotates the sample pictures with the model in the repository: a table on the terminal, and the
# drawn pictures and answers.jsonl in out/demo. What else is there stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uffizi=build/release/bin/uffizi
out=out/demo
tasks=(--task od --task detailed_caption --task ocr_with_region)
"$uffizi" annotate samples/*.[jp][pn]g "${tasks[@]}"
"$uffizi" annotate samples/*.[jp][pn]g "${tasks[@]}" --quiet --existing overwrite --restart \
  --output "$out/answers.jsonl" --draw "$out"
echo
echo "Drawn pictures and answers.jsonl are in $out. Ask something of your own:"
echo "  $uffizi annotate PICTURE --task od --draw mine"
