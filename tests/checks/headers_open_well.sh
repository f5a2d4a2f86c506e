#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers_open_well.sh <root>: every header starts with the SPDX line, has #pragma once, and includes another of remat
# first, which ends at core/language.hpp.
set -euo pipefail

status=0
while IFS= read -r header; do
  if [[ $(head -n 1 "$header") != '// SPDX-License-Identifier: MIT' ]]; then
    echo "$header:1: the first line must be: // SPDX-License-Identifier: MIT"
    status=1
  fi
  if [[ $(grep -c '^#pragma once$' "$header") -ne 1 ]]; then
    echo "$header: must have #pragma once, one time"
    status=1
  fi
  if [[ $header != */core/language.hpp && $(grep -m 1 '^#include' "$header") != '#include <remat/'* ]]; then
    echo "$header: must include a header of remat first, <remat/core/language.hpp> at least"
    status=1
  fi
done < <(find "$1/include" -name '*.hpp' | sort)
exit $status
