// SPDX-License-Identifier: MIT
/// The list of networks: each is defined in the file of its name.
#pragma once

#include "networks.hpp"

namespace networks {

network example_01();
network example_02();
network layers();
network strided();
network rows();
network masked();
network nested();
network chain();
network several();
network partly_frozen();
network two_inputs();
network resnet();
network stateful();

inline std::vector<network> list() {
  return {example_01(), example_02(), layers(),        strided(),    rows(),   masked(),  nested(),
          chain(),      several(),    partly_frozen(), two_inputs(), resnet(), stateful()};
}

}  // namespace networks
