#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh <seconds> [target]...: fuzzes the readers of files with libFuzzer, each for so long: all of them, or those named.
# It needs clang++ with its run-time libraries (Debian: clang-19 libclang-rt-19-dev; CXX names another) and python3. What
# it has found is in the folder that it prints, and is among the tests when it is mended.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
seconds=${1:?give the seconds for each target}
shift
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(safetensors tensor_index npy idx partition)
work=${FUZZ_FOLDER:-$(mktemp -d)}
printf 'findings, corpora and programs are in %s\n' "$work"
python3 "$here/seeds.py" "$work/seeds"

status=0
for target in "${targets[@]}"; do
  ${FUZZ_LAUNCHER:-} "${CXX:-clang++-19}" -std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -I "$root/include" "$here/$target.cpp" -lz -o "$work/$target"
  mkdir -p "$work/corpus/$target"
  ${FUZZ_LAUNCHER:-} "$work/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$work/$target." "$work/corpus/$target" "$work/seeds/$target" || status=1
done
exit $status
