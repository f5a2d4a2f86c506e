#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# checker_is_apart.sh <root>: what remat/check/plan_checker.hpp includes, and what that includes in turn, has nothing of what
# makes plans: of remat/plan, the values that a plan is made of, and no more.
set -euo pipefail

cd "$1/include"
declare -A met=()
queue=(remat/check/plan_checker.hpp)
values='(certificate|disk_use|operation_costs|plan_layout|segment|slice|stage_port|tape|updating)'
status=0
while [[ ${#queue[@]} -gt 0 ]]; do
  header=${queue[0]}
  queue=("${queue[@]:1}")
  [[ -n ${met[$header]:-} ]] && continue
  met[$header]=1
  if [[ $header =~ ^remat/plan/ && ! $header =~ ^remat/plan/$values\.hpp$ ]]; then
    echo "$header is included by the checker of plans, which must find out by itself"
    status=1
  fi
  while IFS= read -r included; do queue+=("$included"); done \
    < <(sed -nE 's/^#[[:space:]]*include <(remat\/[^>]*)>.*/\1/p' "$header")
done
# It sees enough to check anything.
[[ -n ${met[remat/plan/tape.hpp]:-} ]] || { echo "the checker of plans does not include the tape"; status=1; }
exit $status
