#!/usr/bin/env bash
# What 4 bits cost, against float32: on the model in the repo with the sample pictures, and on random
# weights of the large model's sizes (some 6 GB of memory and 2 GB of disk; --small leaves them out).
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
cat >"$large/config.json" <<'JSON'
{"model_type": "florence2",
 "vision_config": {"model_type": "florence_vision", "depths": [1, 1, 9, 1],
   "embed_dim": [256, 512, 1024, 2048], "num_heads": [8, 16, 32, 64], "num_groups": [8, 16, 32, 64],
   "patch_size": [7, 3, 3, 3], "patch_stride": [4, 2, 2, 2], "patch_padding": [3, 1, 1, 1],
   "patch_prenorm": [false, true, true, true], "window_size": 12, "projection_dim": 1024},
 "text_config": {"model_type": "bart", "vocab_size": 51289, "d_model": 1024, "encoder_layers": 12,
   "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
   "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "max_position_embeddings": 4096}}
JSON
echo '{"size": {"width": 768, "height": 768}}' >"$large/preprocessor_config.json"
"$bin/make_random_model" "$large"
time quantize "$large" large-group-64
"$bin/measure_loss" "$large" --folder "$work/large-group-64"
