// SPDX-License-Identifier: MIT
// The shape laws of modules, as PyTorch has them.
#include <remat/remat.hpp>

#include <type_traits>

namespace nn = remat::nn;
using remat::Accepts, remat::output_of, remat::tensor;

template <class A, class B>
inline constexpr bool same = std::is_same_v<A, B>;

static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 8>>, tensor<float, 3>>);
static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 5, 8>>, tensor<float, 5, 3>>);
static_assert(!Accepts<nn::linear<8, 3>, tensor<float, 7>>);
static_assert(!Accepts<nn::linear<8, 3>, tensor<float, 8>, tensor<float, 8>>);

static_assert(same<output_of<nn::conv2d<1, 32, 3>, tensor<float, 1, 28, 28>>, tensor<float, 32, 26, 26>>);
static_assert(same<output_of<nn::conv2d<3, 8, 3, 2, 1>, tensor<float, 3, 32, 31>>, tensor<float, 8, 16, 16>>);
static_assert(!Accepts<nn::conv2d<3, 8, 3>, tensor<float, 1, 28, 28>>);
static_assert(!Accepts<nn::conv2d<1, 8, 5>, tensor<float, 1, 4, 28>>);

static_assert(same<output_of<nn::max_pool2d<2>, tensor<float, 64, 25, 24>>, tensor<float, 64, 12, 12>>);
static_assert(same<output_of<nn::max_pool2d<3, 2, 1>, tensor<float, 4, 7, 8>>, tensor<float, 4, 4, 4>>);
static_assert(same<output_of<nn::flatten, tensor<float, 64, 12, 12>>, tensor<float, 9216>>);
static_assert(same<output_of<nn::log_softmax, tensor<float, 64, 20, 20>>, tensor<float, 64, 20, 20>>);
static_assert(same<output_of<nn::nll_loss, tensor<float, 10>, tensor<std::int32_t>>, remat::scalar<float>>);

// Flattening moves nothing where the order is the same.
static_assert(nn::flatten::in_place_for<tensor<float, 1, 28, 28>> &&
              nn::flatten::in_place_for<tensor<float, 64, 1, 1>>);
static_assert(!nn::flatten::in_place_for<tensor<float, 2, 2, 2>>);
