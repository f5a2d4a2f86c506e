#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh broken|alone|together|fixed <file> <compiler> <flags>...
#   broken: the file does not compile, and the first error that the compiler reports has the text of the file's first
#           line, `// error: <text>`
#           A second line `// constant expression` says that the compiler is to quote the text where it explains why
#           something is no constant expression: g++ calls that a second error
#   alone:  it is the only error; the compiler takes longer to look for others than to find it
#   together: the file includes others, `#include "<file>"`, and an error of the compiler's has the text of each
#   fixed:  with -DREMAT_FIXED the file compiles
# A second line `// names: <text>`: what the compiler says next to the error has this text, too.
# A second line `// flags: <flags>` is given to the compiler that is to refuse the file; `// fixed flags: <flags>`, to
# that which is to accept it.
set -euo pipefail
export LC_ALL=C

expectation=$1
file=$2
compile=("${@:3}" -fsyntax-only)

flags_of() { sed -n "2s|^// $1: ||p" "$file"; }

if [[ $expectation == fixed ]]; then
  # shellcheck disable=SC2046
  exec "${compile[@]}" -DREMAT_FIXED $(flags_of 'fixed flags') "$file"
fi

text_of() {
  local first_line
  first_line=$(head -n 1 "$1")
  if [[ $first_line != '// error: '?* ]]; then
    echo "$1:1: the first line must be: // error: <text>" >&2
    return 1
  fi
  echo "${first_line#'// error: '}"
}

if [[ $expectation == together ]]; then
  output=$("${compile[@]}" "$file" 2>&1 || true)
  errors=$(grep -E '(^|[ :])(fatal )?error: ' <<<"$output" || true)
  failed=0
  parts=0
  while read -r part; do
    parts=$((parts + 1))
    text=$(text_of "$part")
    grep -qF -- "$text" <<<"$errors" && continue
    printf '%s\n' "$part: no error of the compiler's is: $text"
    failed=1
  done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
  if [[ $parts == 0 ]]; then
    echo "$file includes no file"
    failed=1
  fi
  [[ $failed == 0 ]] || printf '%s\n' "" "$output"
  exit $failed
fi

text=$(text_of "$file")
second_line=$(sed -n 2p "$file")
if [[ $expectation == broken && $second_line != '// constant expression' && $second_line != '// names: '* ]]; then
  compile+=(-Wfatal-errors)
fi
# shellcheck disable=SC2046
if output=$("${compile[@]}" $(flags_of flags) "$file" 2>&1); then
  echo "$file: compiles, but must be refused with: $text"
  exit 1
fi
if [[ $second_line == '// constant expression' ]]; then
  grep -qF -- "$text" <<<"$output" && exit
  printf '%s\n' "$file: the compiler does not quote: $text" "$output"
  exit 1
fi
first_error=$(grep -m 1 -E '(^|[ :])(fatal )?error: ' <<<"$output" || true)
if [[ $first_error != *"$text"* ]]; then
  printf '%s\n' "$file: the first error is not the expected one" "  expected: $text" "  reported: $first_error" "" "$output"
  exit 1
fi
named=$(flags_of names)
if [[ $output != *"$named"* ]]; then
  printf '%s\n' "$file: the compiler does not name: $named" "$output"
  exit 1
fi
errors=$(grep -cE '(^|[ :])(fatal )?error: ' <<<"$output")
if [[ $expectation == alone && $errors != 1 ]]; then
  printf '%s\n' "$file: one broken rule gives $errors errors" "" "$output"
  exit 1
fi
