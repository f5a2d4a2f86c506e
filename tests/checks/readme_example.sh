#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The C++ example in README.md is what follows the head comment of examples/00_readme.cpp, to the letter.
set -euo pipefail
cd "$1"
diff <(sed -n '/^```cpp$/,/^```$/p' README.md | sed -n '2,/^```$/p' | sed '$d') <(sed '1,2d' examples/00_readme.cpp)
# So is its layer, in the test that trains it.
layer() { sed -n '/^struct leaky_relu/,/^};/p' "$1"; }
diff <(layer docs/layers.md) <(layer tests/unit/model/own_layer.cpp)
