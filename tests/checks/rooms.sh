#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# rooms.sh <root>: a header includes only its own room and the rooms above it, in this order; remat.hpp and
# distributed.hpp, the front doors, include the rooms, and no room includes a front door.
set -euo pipefail

rooms='core nn model models plan schedule partition run train check distributed io report'
cd "$1/include/remat"
# shellcheck disable=SC2016 # awk's own fields
find . -name '*.hpp' | sort | xargs -r awk -v rooms="$rooms" '
  BEGIN { for (i = split(rooms, names, " "); i > 0; --i) rank[names[i]] = i }
  FNR == 1 {
    parts = split(FILENAME, path, "/")  # ./room/file.hpp or ./file.hpp
    room = parts > 2 ? path[2] : ""
    if (room != "" && !(room in rank)) complain("is in no room (" rooms ")")
  }
  function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; broken = 1 }
  !/^[[:space:]]*#[[:space:]]*include/ || room == "" { next }
  /"remat: / { next }  # a refusal (core/language.hpp)
  /[<"]\.\.?\// || /"[^"\/]*"/ { complain("write the include as <remat/room/file.hpp>"); next }
  match($0, /[<"]remat\/[^>"]*/) {
    included = substr($0, RSTART + 1, RLENGTH - 1)
    if (split(included, path, "/") < 3) complain("a room includes the front door " included)
    else if (!(path[2] in rank)) complain(included " is in no room (" rooms ")")
    else if (rank[path[2]] > rank[room]) complain(room " includes " included ", which is below it")
  }
  END { exit broken }'
