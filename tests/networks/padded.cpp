// SPDX-License-Identifier: MIT
// An encoder of padded sequences: a mask of integers reaches the attention of every block, through a tag, and of a
// second kind of blocks on the edge between them; attention has dropout of its own.
#include "list.hpp"

#include <remat/model/parallel.hpp>
#include <remat/model/tag.hpp>
#include <remat/nn/attention.hpp>
#include <remat/nn/cross_entropy.hpp>
#include <remat/nn/embedding.hpp>
#include <remat/nn/gelu.hpp>
#include <remat/nn/layer_norm.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/positional_embedding.hpp>

namespace networks {
namespace padded_parts {

namespace nn = remat::nn;
using remat::identity, remat::named, remat::parallel, remat::pick, remat::sequential, remat::tensor, remat::tensors;

// clang-format off
using heads = nn::attention<2, nn::attention_options{.dropout = 0.25}>;
using mlp = remat::residual<sequential<nn::linear<16, 40>, nn::gelu, nn::linear<40, 16>>>;
template <class Attended>
using encoded = sequential<Attended, nn::layer_norm<16>, mlp, nn::layer_norm<16>>;

using block = encoded<remat::residual<sequential<
    nn::linear<16, 48>, remat::join<"mask", heads>, nn::linear<16, 16>>>>;

/// Takes a sequence and its mask, and gives both.
using block_with_mask = parallel<identity,
    encoded<parallel<nn::add, pick<0>,
        sequential<parallel<heads, sequential<pick<0>, nn::linear<16, 48>>, pick<1>>, nn::linear<16, 16>>>>,
    pick<1>>;

using net = sequential<
    parallel<pick<0>,
        sequential<pick<0>, named<"words", nn::embedding<3, 16>>, nn::positional_embedding<9, 16>>,
        sequential<pick<1>, remat::tag<"mask">>>,
    named<"h", remat::repeat<4, block>>,
    remat::join<"mask", named<"pairs", remat::repeat<3, block_with_mask>>>, pick<0>,
    nn::linear<16, 5>>;
// clang-format on

}  // namespace padded_parts

network padded() {
  using namespace padded_parts;
  return {.name = "padded",
          .lower = &lowered<net, tensors<tensor<std::int32_t, 9>, tensor<std::int32_t, 9>>, nn::cross_entropy>,
          .microbatch = 3,
          .vocabulary = 3,
          .classes = 5,
          .chain = "h"};
}

}  // namespace networks
