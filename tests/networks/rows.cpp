// SPDX-License-Identifier: MIT
// Linear layers over the rows of (T, D), in sequentials three deep.
#include "list.hpp"

#include <remat/nn/flatten.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>
#include <remat/nn/relu.hpp>

namespace networks {
namespace rows_parts {

namespace nn = remat::nn;
using nn::bias;
using remat::named, remat::sequential, remat::tensor;

// clang-format off
using inner = sequential<nn::linear<20, 20, bias::without>, nn::relu, nn::linear<20, 20>, nn::relu>;
template <class Inner>
using mix = sequential<
    nn::linear<20, 20>, nn::relu,
    named<"inner", Inner>,
    nn::linear<20, 8>>;
template <class Mix>
using net = sequential<
    named<"encoder", sequential<
        named<"lift", sequential<nn::linear<12, 20>, nn::relu>>,
        named<"mix", Mix>,
        nn::relu>>,
    nn::flatten,
    named<"head", sequential<nn::linear<48, 32>, nn::relu, nn::linear<32, 5>, nn::log_softmax>>>;
// clang-format on

}  // namespace rows_parts

network rows() {
  using namespace rows_parts;
  using input = tensor<float, 6, 12>;
  using remat::checkpoint, remat::checkpoint_at;
  return {.name = "rows",
          .lower = &lowered<net<mix<inner>>, input, nn::nll_loss>,
          .microbatch = 11,
          .classes = 5,
          .as_types = {{"three within one another",
                        &lowered<checkpoint<net<checkpoint<mix<checkpoint<inner>>>>>, input, nn::nll_loss>,
                        {checkpoint_at(""), checkpoint_at("encoder.mix"), checkpoint_at("encoder.mix.inner")}}}};
}

}  // namespace networks
