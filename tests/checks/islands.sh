#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# islands.sh <root>: oneDNN, Boost.Hana, Boost.Interprocess, nlohmann-json, MPI and xxHash are each included by at most one header of remat, which
# gives the rest a narrow, named interface.
set -euo pipefail

status=0
at_most_one() {  # at_most_one <library> <what its headers' names look like>
  local files
  files=$(grep -rlE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$2" "$1/include" | sort || true)
  if [[ $(grep -c . <<<"$files") -gt 1 ]]; then
    printf '%s\n' "$3 is included by more than one header:" "$files"
    status=1
  fi
}
at_most_one "$1" '(oneapi/dnnl/|dnnl)' oneDNN
at_most_one "$1" 'boost/hana' Boost.Hana
at_most_one "$1" 'nlohmann/' nlohmann-json
at_most_one "$1" 'mpi\.h[>"]' MPI
at_most_one "$1" 'boost/interprocess' Boost.Interprocess
at_most_one "$1" 'xxhash\.h[>"]' xxHash
# Nor does anything of oneDNN's leave its island by name: remat/nn/onednn.hpp and the files that it is made of.
names=$(grep -rlE '\b(dnnl_|DNNL_)' "$1/include" | grep -vE '/nn/onednn(_[a-z]+)?\.hpp$' | sort || true)
if [[ -n $names ]]; then
  printf '%s\n' "names of oneDNN are used outside of remat/nn/onednn*.hpp:" "$names"
  status=1
fi
exit $status
