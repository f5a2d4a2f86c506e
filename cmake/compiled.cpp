// SPDX-License-Identifier: MIT
/// What remat::compiled consists of.
#include <remat/compiled.hpp>
