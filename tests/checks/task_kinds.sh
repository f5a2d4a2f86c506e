#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# task_kinds.sh <root>: what a kind of task is and does is asked of its row in schedule/task_kinds.hpp, and what a section of
# a tape is of the tape's list; nothing else compares kinds, or knows where backward begins.
set -euo pipefail

status=0
refuse() {  # refuse <root> <pattern> <files that may> <what is wrong>
  local lines
  lines=$(grep -rnE "$2" "$1/include" "$1/benchmarks" "$1/examples" --include='*.hpp' --include='*.cpp' |
    grep -vE "^[^:]*/($3):" || true)
  if [[ -n $lines ]]; then
    printf '%s\n' "$4:" "$lines"
    status=1
  fi
}
refuse "$1" '[!=]=[[:space:]]*(remat::)?task_kind::|task_kind::[a-z_]+[[:space:]]*[!=]=|case (remat::)?task_kind::' \
  'schedule/task_kinds\.hpp' 'kinds of tasks are compared; ask rules_of(kind)'
refuse "$1" 'backward_begins|begins_backward' 'plan/tape\.hpp' \
  'a border of the backward pass; ask the sections of the tape'
exit $status
