// SPDX-License-Identifier: MIT
// Weights that loops of ours pack have the bits of oneDNN's reorder, in the layouts that convolutions choose.
#include <remat/core/thread_scope.hpp>
#include <remat/nn/onednn.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/packed_windows.hpp>
#include <remat/run/memory_block.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstring>
#include <random>
#include <vector>

namespace packed_windows_tests {

namespace onednn = remat::onednn;
namespace detail = remat::nn::detail;
using detail::conv2d_attributes;
using detail::packed_windows;
using onednn::layout;
using remat::element;

enum class direction { forward, backward_input, exchanged };

/// That which oneDNN takes.
layout chosen(const conv2d_attributes& a, direction of, element type) {
  const bool is_exchanged = of == direction::exchanged;
  const std::size_t in = is_exchanged ? a.out : a.in, out = is_exchanged ? a.in : a.out;
  const remat::nn::extents stride = a.over.stride;
  const layout any = detail::weights_layout(a, in, out, true).of(type);
  constexpr std::size_t size = 14;
  const auto places = [](std::size_t kernel, std::size_t step) { return (size - kernel) / step + 1; };
  const layout x = layout::channels_last({4, in, size, size}).of(type),
               y = layout::channels_last(
                       {4, out, places(a.kernel.height, stride.height), places(a.kernel.width, stride.width)})
                       .of(type);
  const onednn::window window(a.kernel, stride, 0, {0, 0});
  const onednn::convolution c{x, any, nullptr, y, window};
  return (of == direction::backward_input ? c.backward_input() : c.forward({})).layout_of(onednn::weights);
}

std::vector<std::byte> reordered(const std::vector<float>& weights, const layout& stored, const layout& packed) {
  std::vector<std::byte> made(packed.bytes(), std::byte{0x55});
  const auto reorder = onednn::primitive::reorder(stored, packed);
  const remat::memory_block scratch(reorder.scratch_bytes() + 64);
  reorder.execute(scratch.data(), {{onednn::source, weights.data()}, {onednn::result, made.data()}});
  return made;
}

/// Whether loops of ours pack.
bool check(const conv2d_attributes& a, direction of, element type) {
  CAPTURE(a.in, a.out, a.kernel.height, a.kernel.width, a.over.groups, static_cast<int>(of), name_of(type));
  const std::size_t groups = a.over.groups;
  const bool is_exchanged = of == direction::exchanged;
  std::vector<float> weights(a.out * a.in / groups * a.kernel.area());
  std::mt19937 random(3);
  for (float& each : weights) each = (static_cast<float>(random() % 20001) - 10000) * 1.00013f;
  const layout packed = chosen(a, of, type);
  const packed_windows packing(a, packed, is_exchanged);
  std::vector<std::byte> expected =
      reordered(weights,
                is_exchanged ? layout::transposed_weights(groups, a.in / groups, a.out / groups, a.kernel)
                             : detail::weights_layout(a, a.in, a.out, false),
                packed);
  if (is_exchanged) {
    const onednn::turned_windows windows(packed);
    REQUIRE(static_cast<bool>(windows) == static_cast<bool>(packing));
    if (!packing) return false;
    windows.turn(expected.data());
  }
  remat::prepared state;
  packing.reserve(state);
  const remat::memory_block scratch(state.scratch_of() + 64);
  for (const int threads : {1, 2}) {
    const remat::thread_scope scope(threads);
    std::vector<std::byte> found(packed.bytes(), std::byte{0x33});
    packing.execute(weights.data(), found.data(), scratch.data());
    CHECK(std::memcmp(found.data(), expected.data(), found.size()) == 0);
  }
  return !packing.reorder();
}

TEST_CASE("windows are packed as oneDNN's reorder packs them, in every layout that a convolution takes") {
  const conv2d_attributes convolutions[] = {
      {.in = 64, .out = 64, .kernel = 3, .over = {.stride = 1}, .has_bias = false},
      {.in = 128, .out = 128, .kernel = 3, .over = {.stride = 1}, .has_bias = false},
      {.in = 256, .out = 128, .kernel = 3, .over = {.stride = 2}, .has_bias = false},
      {.in = 512, .out = 512, .kernel = 3, .over = {.stride = 1}, .has_bias = false},
      {.in = 512, .out = 256, .kernel = 3, .over = {.stride = 2}, .has_bias = false},
      {.in = 32, .out = 64, .kernel = {3, 5}, .over = {.stride = 1}, .has_bias = false},
      {.in = 48, .out = 96, .kernel = 5, .over = {.stride = 1}, .has_bias = false},
      {.in = 16, .out = 32, .kernel = {1, 3}, .over = {.stride = 1}, .has_bias = false},
      {.in = 256, .out = 512, .kernel = 1, .over = {.stride = 2}, .has_bias = false},
      {.in = 64, .out = 32, .kernel = 7, .over = {.stride = 2}, .has_bias = false},  // too large for a tile
      {.in = 3, .out = 64, .kernel = 3, .over = {.stride = 1}, .has_bias = false},   // fills no block
      {.in = 40, .out = 72, .kernel = 3, .over = {.stride = 1}, .has_bias = false},  // nor do these
      {.in = 64, .out = 80, .kernel = 3, .over = {.stride = 1}, .has_bias = false},
      {.in = 64, .out = 64, .kernel = 3, .over = {.stride = 1, .groups = 2}, .has_bias = false}};
  int ours[2] = {};
  for (const conv2d_attributes& a : convolutions)
    for (const element type : {element::float32, element::bfloat16}) {
      if (type == element::bfloat16 && (!onednn::has_bfloat16() || a.over.groups > 1)) continue;
      const bool is_rounded = type == element::bfloat16;
      ours[is_rounded] += check(a, direction::forward, type);
      check(a, direction::backward_input, type);
      if (a.over.stride == 1) ours[is_rounded] += check(a, direction::exchanged, type);
    }
  if (onednn::instructions() != onednn::instruction_set::avx512) return;  // whose layouts are those of these loops
  CHECK(ours[false] > 0);
  if (onednn::has_bfloat16()) CHECK(ours[true] > 0);
}

}  // namespace packed_windows_tests
