// SPDX-License-Identifier: MIT
/// Linear layers of random sizes.
#pragma once

#include <remat/remat.hpp>

#include <cstddef>
#include <memory>

#include "../layer_case.hpp"
#include "convolution_sums.hpp"

namespace fuzz {

/// A linear layer is a convolution of one pixel.
inline layer_case linear(random_source& random) {
  const double most = detail::affordable(random);
  std::size_t in = 0, out = 0, batch = 0, length = 1;
  do {
    const auto size = [&] { return random.one_in(4) ? random.between(1, 700) : random.channels(); };
    in = size();
    out = size();
    if (random.one_in(8)) (random.one_in(2) ? in : out) = random.between(1400, 3300);  // above what one call computes
    batch = random.one_in(3) ? random.between(1, 300) : random.between(1, 40);
    length = random.one_in(3) ? random.between(2, 9) : 1;
  } while (static_cast<double>(in * out * batch * length) > most);
  const bool has_bias = random.one_in(2), is_sequence = length > 1;
  const convolution_sums c{.batch = batch * length, .in = in, .out = out};

  layer_case made;
  made.layer = "linear";
  made.sizes = listed({{"in", in}, {"out", out}, {"length", length}, {"bias", has_bias}});
  made.kernels = &remat::kernel_table_of<remat::nn::detail::linear_kernels>;
  made.attributes =
      std::make_shared<remat::nn::detail::linear_attributes>(remat::nn::detail::linear_attributes{in, out, has_bias});
  made.inputs = {is_sequence ? floats(length, in) : floats(in)};
  made.output = is_sequence ? floats(length, out) : floats(out);
  made.batch = batch;
  made.fuses = remat::nn::linear<1, 1>::is.fuses;
  made.multiplies_bfloat16 = made.computes_samples_apart = true;
  detail::computes(made, c, has_bias);
  return made;
}

}  // namespace fuzz
