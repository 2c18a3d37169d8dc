#!/usr/bin/env bash
# Measures how speed scales with threads, on a machine with many cores that needs nothing installed.
#
#   bench/scaling.sh pack OUT.tar.gz    here: program, its libraries, the sizes of Florence-2-large, a picture
#   bench/scaling.sh run [THREADS...]   there, from the unpacked archive (or here, from the build): under 4 minutes
#
# The weights are random and made on the spot. A line for each number of threads with the seconds of one picture, <OD>, 50
# tokens, greedy; then one worker a core, each with a thread, and the pictures a second of all. UFFIZI_TARGET forces kernels.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

pack() {
  local out=$1 source build
  source=$(dirname "$here") build=$source/build/release
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  mkdir -p "$stage/scaling/lib" "$stage/scaling/tokenizer"
  local program
  for program in uffizi make_random_model product_share; do
    cp "$build/bin/$program" "$stage/scaling/"
    # All of them, with the loader: that machine's may be older.
    ldd "$build/bin/$program" | awk '$2 == "=>" {print $3} $1 ~ /^\// {print $1}' | xargs -I{} cp -Ln {} "$stage/scaling/lib/"
  done
  strip "$stage/scaling/uffizi" "$stage/scaling/make_random_model" "$stage/scaling/product_share"
  cp "$here/scaling.sh" "$here/large.json" "$source/samples/village.jpg" "$stage/scaling/"
  cp "$source"/models/uffizi-tiny/{tokenizer,tokenizer_config,generation_config}.json "$stage/scaling/tokenizer/"
  tar -C "$stage" -czf "$out" scaling
  echo "$out: $(du -h "$out" | cut -f1)"
}

# Runs one of our programs, from the archive or from the build.
ours() {
  local program=$1
  shift
  if [ -d "$here/lib" ]; then
    "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/$program" "$@"
  else
    "$here/../build/release/bin/$program" "$@"
  fi
}

prepare() {
  [ -e "$work/int4/config.json" ] && return
  local tokenizer=$here/tokenizer
  [ -d "$tokenizer" ] || tokenizer=$here/../models/uffizi-tiny
  mkdir -p "$work/large"
  cp "$here/large.json" "$work/large/config.json"
  echo '{"size": {"width": 768, "height": 768}, "resample": 3}' >"$work/large/preprocessor_config.json"
  cp "$tokenizer"/{tokenizer,tokenizer_config,generation_config}.json "$work/large/"
  ours make_random_model "$work/large"
  ours uffizi quantize "$work/large" "$work/int4" --quiet >/dev/null
  rm -rf "$work/large"
}

# annotate WORKERS THREADS PICTURE...: answers as JSON lines
annotate() {
  local workers=$1 threads=$2
  shift 2
  ours uffizi annotate "$@" --model "$work/int4" --task od --threads "$threads" --workers "$workers" --batch 1 \
    --format jsonl --beams 1 --no-repeat-ngram 0 --forced-bos off --min-length 51 --max-length 51 2>/dev/null
}

field() { sed -E "s/.*\"$1\": ([0-9.]+).*/\1/"; }

run() {
  local cores picture=$here/village.jpg threads line
  cores=$(nproc)
  [ -e "$picture" ] || picture=$here/../samples/village.jpg
  work=${UFFIZI_SCALING_WORK:-$(mktemp -d)}
  [ -n "${UFFIZI_SCALING_WORK:-}" ] || trap 'rm -rf "$work"' EXIT
  local counts=("$@")
  if [ ${#counts[@]} -eq 0 ]; then
    counts=(1 2)
    for threads in 4 8 12 16 24 32 48 64; do [ "$threads" -le "$cores" ] && counts+=("$threads"); done
  fi
  lscpu | grep -E '^Model name|^Socket' || true
  prepare
  echo "$cores cores; weights made in $SECONDS s"
  echo "threads  vision  text encoder  decoder  picture    limit Gop/s"
  for threads in "${counts[@]}"; do
    # The second of two pictures: threads and memory are there.
    line=$(annotate 1 "$threads" "$picture" "$picture" | tail -1)
    printf '%7d %7.3f %13.3f %8.3f %8.3f %14.0f\n' "$threads" "$(field vision_encoder <<<"$line")" \
      "$(field text_encoder <<<"$line")" "$(field decoder <<<"$line")" "$(field total <<<"$line")" \
      "$(ours product_share --limit "$threads" | field limit_gop_s)"
  done
  # As many pictures as there are cores, three times over, after a first round that is not counted.
  local pictures=() start end
  for ((i = 0; i < cores; ++i)); do pictures+=("$picture"); done
  start=$(date +%s.%N)
  annotate "$cores" "$cores" "${pictures[@]}" >/dev/null
  end=$(date +%s.%N)
  local first
  first=$(awk "BEGIN {print $end - $start}")
  start=$(date +%s.%N)
  annotate "$cores" "$cores" "${pictures[@]}" "${pictures[@]}" "${pictures[@]}" >/dev/null
  end=$(date +%s.%N)
  awk -v n="$cores" -v first="$first" -v all="$(awk "BEGIN {print $end - $start}")" \
    'BEGIN {printf "%d workers of one thread: %.2f pictures a second\n", n, 2 * n / (all - first)}'
  echo "all done in $SECONDS s"
}

case "${1:-run}" in
  pack) pack "${2:?bench/scaling.sh pack OUT.tar.gz}" ;;
  run) run "${@:2}" ;;
  *)
    sed -n '2,8p' "${BASH_SOURCE[0]}" | cut -c3-
    exit 2
    ;;
esac
