// SPDX-License-Identifier: MIT
/// How many parameters a model has, each shared one counted once:
/// `static_assert(parameter_count<net, input>() == ...)`.
#pragma once

#include <remat/model/lower.hpp>

#include <cstddef>

namespace remat {

template <class Net, class Input, class Loss = no_loss>
constexpr std::size_t parameter_count() {
  const program p = lower<Net, Input, Loss>();
  std::size_t count = 0;
  for (int i = 0; i < p.parameters.count(); ++i)
    if (p.parameters[i].owner == i) count += p.parameters[i].declared.elements();
  return count;
}

}  // namespace remat
