#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers_open_well.sh <root>: every header starts with the SPDX line and has #pragma once.
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
done < <(find "$1/include" -name '*.hpp' | sort)
exit $status
