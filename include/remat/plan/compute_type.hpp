// SPDX-License-Identifier: MIT
/// What each operation computes with, decided before fusion, so that fusion, plans and kernels all read one decision.
/// float32 is the only type that kernels compute with.
#pragma once

#include <remat/model/program.hpp>

namespace remat {

constexpr void choose_compute_type(program& p) {
  for (operation& o : p.operations) o.compute = element::float32;
}

}  // namespace remat
