// SPDX-License-Identifier: MIT
// A sequence: an embedding, then residuals around normed layers, which a repeat holds; log-probabilities for every row.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/model/repeat.hpp>
#include <remat/nn/dropout.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/log_softmax.hpp>
#include <remat/nn/nll_loss.hpp>

#include <cstdint>

namespace networks {
namespace sequence_parts {

namespace nn = remat::nn;
using remat::named, remat::sequential, remat::tensor;

struct block : remat::module {
  using body = sequential<
      remat::residual<sequential<nn::layer_norm<12>, nn::linear<12, 12>, nn::gelu, nn::dropout<0.2>>>,
      named<"mlp",
            remat::residual<sequential<nn::layer_norm<12>, nn::linear<12, 48>, nn::gelu_tanh, nn::linear<48, 12>>>>>;
};

// clang-format off
using net = sequential<
    named<"stem", nn::embedding<31, 12>>, nn::dropout<0.1>,
    named<"h", remat::repeat<5, block>>,
    named<"norm", nn::layer_norm<12>>, nn::linear<12, 31>, nn::log_softmax>;
// clang-format on

}  // namespace sequence_parts

network sequence() {
  using namespace sequence_parts;
  return {.name = "sequence",
          .lower = &lowered<net, tensor<std::int32_t, 9>, nn::nll_loss>,
          .microbatch = 3,
          .vocabulary = 31,
          .classes = 31,
          .chain = "h"};
}

}  // namespace networks
