#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh <text> <command>...: the command fails within 10 seconds, what it prints holds the text, and no second rank
# says that it ends the job.
set -uo pipefail
text=$1
shift
begin=$(date +%s%N)
printed=$(timeout 50 "$@" 2>&1)
status=$?
milliseconds=$((($(date +%s%N) - begin) / 1000000))
printf '%s\n' "$printed"
echo "ended with status $status after $milliseconds ms"
[[ $status -ne 0 ]] || { echo "it did not fail"; exit 1; }
[[ $milliseconds -lt 10000 ]] || { echo "it took longer than 10 seconds"; exit 1; }
grep -qF -- "$text" <<<"$printed" || { echo "it does not say: $text"; exit 1; }
[[ $(grep -c 'ends the job' <<<"$printed") -le 1 ]] || { echo "there is more than one message"; exit 1; }
