// SPDX-License-Identifier: MIT
// The shape laws of modules, as PyTorch has them.
#include <remat/remat.hpp>

#include <type_traits>

namespace shapes_tests {

namespace nn = remat::nn;
using remat::Accepts, remat::image, remat::output_of, remat::tensor;

template <class A, class B>
inline constexpr bool same = std::is_same_v<A, B>;

static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 8>>, tensor<float, 3>>);
static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 5, 8>>, tensor<float, 5, 3>>);
static_assert(!Accepts<nn::linear<8, 3>, tensor<float, 7>>);
static_assert(!Accepts<nn::linear<8, 3>, tensor<float, 8>, tensor<float, 8>>);

static_assert(same<output_of<nn::conv2d<1, 32, 3>, image<float, 1, 28, 28>>, image<float, 32, 26, 26>>);
static_assert(same<output_of<nn::conv2d<3, 8, 3, nn::window{.stride = 2, .padding = 1}>, image<float, 3, 32, 31>>,
                   image<float, 8, 16, 16>>);
static_assert(same<output_of<nn::conv2d<3, 8, nn::extents{3, 5},
                                        nn::window{.stride = {2, 1}, .padding = {0, 2}, .dilation = {1, 3}}>,
                             image<float, 3, 32, 31>>,
                   image<float, 8, 15, 23>>);
static_assert(
    same<output_of<nn::conv_transpose2d<
                       4, 6, nn::extents{3, 2},
                       nn::window{.stride = {2, 1}, .output_padding = {1, 0}, .dilation = {1, 3}, .groups = 2}>,
                   image<float, 4, 7, 9>>,
         image<float, 6, 16, 12>>);
static_assert(same<output_of<nn::max_pool2d<nn::extents{2, 3}, nn::window{.dilation = 2}>, image<float, 4, 9, 9>>,
                   image<float, 4, 4, 2>>);
static_assert(same<output_of<nn::avg_pool2d<nn::extents{2, 3}>, image<float, 4, 9, 9>>, image<float, 4, 4, 3>>);
static_assert(Accepts<nn::add, remat::scalar<float>, remat::scalar<float>>);
static_assert(Accepts<nn::multiply, image<float, 2, 3, 4>, image<float, 2, 3, 4>>);
static_assert(Accepts<nn::scale_channels, image<float, 2, 3, 4>, image<float, 2, 1, 1>>);
static_assert(Accepts<nn::scale_channels, image<float, 2, 1, 1>, image<float, 2, 3, 4>>);
static_assert(Accepts<nn::scale_channels, image<float, 2, 1, 1>, image<float, 2, 1, 1>>);
static_assert(!Accepts<nn::scale_channels, image<float, 2, 3, 4>, image<float, 2, 3, 4>>);
static_assert(!Accepts<nn::scale_channels, image<float, 2, 3, 4>, image<float, 3, 1, 1>>);
static_assert(same<output_of<nn::layer_norm<2>, image<float, 2, 3, 4>>, image<float, 2, 3, 4>>);
static_assert(!Accepts<nn::layer_norm<4>, image<float, 2, 3, 4>>);
static_assert(!Accepts<nn::add, tensor<std::uint8_t, 4>, tensor<std::uint8_t, 4>>);
static_assert(!Accepts<nn::multiply, tensor<std::int32_t, 4>, tensor<std::int32_t, 4>>);
static_assert(!Accepts<nn::swiglu, tensor<std::int32_t, 4>, tensor<std::int32_t, 4>>);
static_assert(!Accepts<nn::conv2d<1, 8, nn::extents{1, 5}>, image<float, 1, 28, 4>>);
static_assert(Accepts<nn::conv2d<1, 8, nn::extents{5, 1}>, image<float, 1, 28, 4>>);
static_assert(!Accepts<nn::conv2d<3, 8, 3>, image<float, 1, 28, 28>>);
static_assert(!Accepts<nn::conv2d<1, 8, 5>, image<float, 1, 4, 28>>);

static_assert(same<output_of<nn::max_pool2d<2>, image<float, 64, 25, 24>>, image<float, 64, 12, 12>>);
static_assert(same<output_of<nn::max_pool2d<3, nn::window{.stride = 2, .padding = 1}>, image<float, 4, 7, 8>>,
                   image<float, 4, 4, 4>>);
static_assert(same<output_of<nn::flatten, image<float, 64, 12, 12>>, tensor<float, 9216>>);
static_assert(same<output_of<nn::log_softmax, image<float, 64, 20, 20>>, image<float, 64, 20, 20>>);
static_assert(same<output_of<nn::nll_loss, tensor<float, 10>, tensor<std::int32_t>>, remat::scalar<float>>);

// Flattening moves nothing where the order is the same.
static_assert(nn::flatten::is(image<float, 1, 28, 28>{}).in_place &&
              nn::flatten::is(image<float, 64, 1, 1>{}).in_place);
static_assert(!nn::flatten::is(image<float, 2, 2, 2>{}).in_place);

// The layout is declared: a tensor of three extents is no image, and layers of elements keep either.
static_assert(!Accepts<nn::conv2d<4, 8, 3>, tensor<float, 4, 6, 8>> &&
              !Accepts<nn::max_pool2d<2>, tensor<float, 4, 6, 8>>);
static_assert(!Accepts<nn::linear<8, 3>, image<float, 4, 6, 8>> && !Accepts<nn::layer_norm<8>, image<float, 4, 6, 8>>);
static_assert(same<output_of<nn::relu, tensor<float, 4, 6, 8>>, tensor<float, 4, 6, 8>>);
static_assert(same<output_of<nn::relu, image<float, 4, 6, 8>>, image<float, 4, 6, 8>>);
static_assert(same<output_of<nn::gelu, image<float, 4, 6, 8>>, image<float, 4, 6, 8>>);
static_assert(same<output_of<nn::dropout<>, tensor<float, 2, 4, 6, 8>>, tensor<float, 2, 4, 6, 8>>);
static_assert(nn::flatten::is(tensor<float, 2, 2, 2>{}).in_place);
static_assert(remat::shape_of<image<float, 3, 5, 7>>::value.is_image() &&
              !remat::shape_of<tensor<float, 3, 5, 7>>::value.is_image() &&
              !remat::shape_of<remat::per_batch<float, 3, 5, 7>>::value.is_image());

// Layers over rows take the last extent of a tensor of any rank.
static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 4, 6, 8>>, tensor<float, 4, 6, 3>>);
static_assert(same<output_of<nn::linear<8, 3>, tensor<float, 2, 4, 6, 8>>, tensor<float, 2, 4, 6, 3>>);
static_assert(same<output_of<nn::layer_norm<8>, tensor<float, 2, 4, 6, 8>>, tensor<float, 2, 4, 6, 8>>);
static_assert(same<output_of<nn::softmax, tensor<float, 4, 6, 8>>, tensor<float, 4, 6, 8>>);
static_assert(same<output_of<nn::concat, tensor<float, 4, 6, 8>, tensor<float, 4, 6, 1>>, tensor<float, 4, 6, 9>>);
static_assert(same<output_of<nn::concat, image<float, 4, 6, 8>, image<float, 1, 6, 8>>, image<float, 5, 6, 8>>);

// Attention takes queries, keys and values in one tensor or in three, grouped or not, and a mask of their keys.
using grouped = nn::attention<4, nn::attention_options{.key_value_heads = 2}>;
using causal = nn::attention<4, nn::attention_options{.causal = true}>;
static_assert(same<output_of<causal, tensor<float, 9, 36>>, tensor<float, 9, 12>>);
static_assert(same<output_of<grouped, tensor<float, 9, 24>, tensor<std::int32_t, 9>>, tensor<float, 9, 12>>);
static_assert(
    same<output_of<grouped, tensor<float, 9, 12>, tensor<float, 5, 6>, tensor<float, 5, 6>>, tensor<float, 9, 12>>);
static_assert(
    Accepts<grouped, tensor<float, 9, 12>, tensor<float, 5, 6>, tensor<float, 5, 6>, tensor<std::uint8_t, 5>>);
static_assert(
    !Accepts<grouped, tensor<float, 9, 12>, tensor<float, 5, 6>, tensor<float, 5, 6>, tensor<std::uint8_t, 9>>);
static_assert(!Accepts<grouped, tensor<float, 9, 25>> && !Accepts<causal, tensor<float, 9, 36>, tensor<float, 9>>);
static_assert(!Accepts<causal, tensor<float, 9, 12>, tensor<float, 5, 12>, tensor<float, 5, 12>>);
static_assert(same<decltype(causal::saved_shape(tensor<float, 9, 36>{})),
                   remat::tensors<tensor<float, 4, 9>, tensor<float, 4, 9>>>);

// Positions are those that a table has, or fewer; heads are whole.
static_assert(Accepts<nn::positional_embedding<9, 4>, tensor<float, 3, 4>> &&
              !Accepts<nn::positional_embedding<9, 4>, tensor<float, 10, 4>>);
static_assert(Accepts<nn::rotary_embedding<4>, tensor<float, 3, 12>> &&
              !Accepts<nn::rotary_embedding<4>, tensor<float, 3, 10>>);
static_assert(same<output_of<nn::rms_norm<8>, tensor<float, 2, 4, 8>>, tensor<float, 2, 4, 8>>);

}  // namespace shapes_tests
