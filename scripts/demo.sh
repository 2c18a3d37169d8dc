#!/usr/bin/env bash
# Annotates the sample pictures with the model in the repository. Prints a table and writes annotated
# pictures and answers.jsonl to out/demo. Other files there are kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
uffizi=build/release/bin/uffizi
out=out/demo
tasks=(--task od --task detailed_caption --task ocr_with_region)
"$uffizi" annotate samples/*.[jp][pn]g "${tasks[@]}"
"$uffizi" annotate samples/*.[jp][pn]g "${tasks[@]}" --quiet --existing overwrite --restart \
  --output "$out/answers.jsonl" --draw "$out"
echo
echo "Annotated pictures and answers.jsonl are in $out. Try your own pictures:"
echo "  $uffizi annotate PICTURE --task od --draw mine"
