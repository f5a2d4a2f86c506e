#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# facts_are_one_value.sh <root>: what a module can do is one value, `remat::traits is` (core/traits.hpp). Each fact of it
# is asked about as a member of a module's own (core/declared_names.hpp), which is refused; and no module here declares
# facts as members, or under another name.
set -euo pipefail

cd "$1"
facts=$(sed -nE '/^struct traits \{/,/^\};/s/^  [a-z:]+ ([a-z_]+) = .*;$/\1/p' include/remat/core/traits.hpp)
if [[ -z $facts ]]; then
  echo "include/remat/core/traits.hpp: no facts were found"
  exit 1
fi
status=0
for fact in $facts; do
  if ! grep -q "&with_other_members<M>::$fact;" include/remat/core/declared_names.hpp; then
    echo "include/remat/core/declared_names.hpp: DeclaresFacts does not ask about '$fact'"
    status=1
  fi
done
refuse() {  # refuse <pattern> <what is wrong>
  local lines
  lines=$(grep -rnE "$1" include tests examples benchmarks README.md docs --include='*.hpp' --include='*.cpp' \
    --include='*.md' | grep -v '^tests/fail/fact' || true)
  if [[ -n $lines ]]; then
    printf '%s\n' "$2:" "$lines"
    status=1
  fi
}
refuse "static constexpr [a-z:]+ (${facts//$'\n'/|}|in_place_for)\b" 'a fact is a member of its own; put it into `is`'
refuse 'static constexpr (remat::)?traits ([^i]|i[^s]|is[^{( ])' 'facts have another name than `is`'
exit $status
