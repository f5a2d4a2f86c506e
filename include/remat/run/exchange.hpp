// SPDX-License-Identifier: MIT
/// How the tensors of a stage come from other stages and go to them, by the ports of its plan.
#pragma once

#include <remat/core/language.hpp>

namespace remat {

struct exchange {
  virtual ~exchange() = default;
  virtual void receive(int port) = 0;  ///< returns when the tensor is there
  virtual void send(int port) = 0;     ///< begins; the tensor stays where it is until it has left
  virtual void after(int action) = 0;  ///< an action is done: a moment for what goes on next to the step
};

}  // namespace remat
