#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# checker_is_apart.sh <root>: what remat/check/plan_checker.hpp includes, and what that includes in turn, has nothing of what
# makes plans: no solver, no search, no writer of tapes.
set -euo pipefail

cd "$1/include"
declare -A met=()
queue=(remat/check/plan_checker.hpp)
status=0
while [[ ${#queue[@]} -gt 0 ]]; do
  header=${queue[0]}
  queue=("${queue[@]:1}")
  [[ -n ${met[$header]:-} ]] && continue
  met[$header]=1
  if [[ $header =~ ^remat/plan/(spine|budget|uniform_|revolve|.*solver|.*planner|.*_writer|recomputation_bound|certify|plan\.hpp) ]]; then
    echo "$header is included by the checker of plans, which must find out by itself"
    status=1
  fi
  while IFS= read -r included; do queue+=("$included"); done \
    < <(sed -nE 's/^#[[:space:]]*include <(remat\/[^>]*)>.*/\1/p' "$header")
done
# It sees enough to check anything.
[[ -n ${met[remat/plan/tape.hpp]:-} ]] || { echo "the checker of plans does not include the tape"; status=1; }
exit $status
