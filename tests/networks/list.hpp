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
network gated();
network channels();
network pixel_logits();
network tokens();
network word();
network labels();
network tied();
network sequence();
network branches();
network unet();
network normed();
network scaled();
network grid();
network uneven();
network gpt();
network llama();
network padded();

inline std::vector<network> list() {
  return {example_01(), example_02(),    layers(),     strided(), rows(),     masked(),   nested(),   chain(),
          several(),    partly_frozen(), two_inputs(), resnet(),  stateful(), gated(),    channels(), pixel_logits(),
          tokens(),     word(),          labels(),     tied(),    sequence(), branches(), unet(),     normed(),
          scaled(),     grid(),          uneven(),     gpt(),     llama(),    padded()};
}

}  // namespace networks
