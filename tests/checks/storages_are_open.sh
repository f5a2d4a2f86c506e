#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# storages_are_open.sh <root>: what a storage does is asked of its form (core/storage_setting.hpp); no header compares
# it with a storage that it knows.
set -euo pipefail

compared=$(grep -rnE '(same_as|is_same(_v)?)<[^;]*\b(keep|stored_as)\b' "$1/include" || true)
if [[ -n $compared ]]; then
  printf '%s\n' "a storage is compared with one that is known; ask storage_setting::form() instead:" "$compared"
  exit 1
fi
