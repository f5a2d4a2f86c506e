#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layout_is_declared.sh <root>: how a tensor is in memory is a field of its shape (core/tensor.hpp), which its type
# declares. No header of the rooms that see tensors asks the rank, or counts extents, for it. (schedule/, partition/ and
# distributed/ have the ranks of MPI, io/ those of arrays in files.)
set -euo pipefail

cd "$1/include/remat"
compares='[[:space:]]*([!=<>]=|[<>])[[:space:]]*'
what='(\b(max_)?rank(\(\))?|extents(\.size\(\)|_count)|sizeof\.\.\.\((Extents|extents)\))'
# A rank of 0 is a single number; `i < rank` walks over extents.
asked=$(grep -rnE "$what$compares[1-9]|(^|[^A-Za-z_0-9.])[1-9]$compares([A-Za-z_]+(\.|->))*$what|switch \([^)]*\brank" \
          core nn model models plan run train check report || true)
if [[ -n $asked ]]; then
  printf '%s\n' "a layout is asked of the rank; read tensor_shape::layout (or is_image, is_in_order) instead:" "$asked"
  exit 1
fi
