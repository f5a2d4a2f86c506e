// SPDX-License-Identifier: MIT
#include <remat/core/thread_scope.hpp>
#include <remat/nn/onednn.hpp>
#include <remat/nn/onednn_instructions.hpp>
#include <remat/nn/packed_columns.hpp>
#include <remat/run/memory_block.hpp>

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace packed_columns_tests {

using remat::bfloat16, remat::element;
using remat::nn::detail::packed_columns;
using remat::onednn::layout;

struct matrix {
  std::size_t k, n;
};

const matrix matrices[] = {{1, 1},    {1, 5},   {2, 64},  {16, 64},   {17, 65},  {31, 200}, {32, 16},
                           {33, 130}, {77, 33}, {100, 1}, {100, 100}, {128, 10}, {300, 64}, {257, 320}};

/// Numbers of any size, with an infinity, the largest and the smallest.
std::vector<float> numbers(std::size_t count) {
  std::mt19937 random(7);
  std::vector<float> made(count);
  for (float& each : made) each = (static_cast<float>(random() % 20001) - 10000) * 1.00013f;
  if (count > 9) {
    made[3] = std::numeric_limits<float>::infinity();
    made[5] = std::numeric_limits<float>::max();
    made[9] = std::numeric_limits<float>::denorm_min();
  }
  return made;
}

/// Packs in both ways.
void check(const matrix& m, bool transposed, const remat::const_numbers& from, element factors) {
  CAPTURE(m.k, m.n, transposed, name_of(from.type), name_of(factors));
  const packed_columns packed(m.k, m.n, transposed, factors);
  const layout panels = packed.layout();
  const auto reorder = remat::onednn::primitive::reorder(
      (transposed ? layout::transposed(m.k, m.n) : layout::row_major({m.k, m.n})).of(from.type), panels);
  const remat::memory_block scratch(reorder.scratch_bytes() + 64);
  std::vector<std::byte> expected(panels.bytes(), std::byte{0x55});
  reorder.execute(scratch.data(), {{remat::onednn::source, from.data}, {remat::onednn::result, expected.data()}});
  for (const int threads : {1, 2, 3}) {
    const remat::thread_scope scope(threads);
    std::vector<std::byte> found(panels.bytes(), std::byte{0x33});
    packed.pack(from, found.data());
    CHECK(std::memcmp(found.data(), expected.data(), found.size()) == 0);
  }
}

TEST_CASE("columns are packed as oneDNN's reorder packs them, of every size and type") {
  for (const matrix& m : matrices)
    for (const bool transposed : {false, true}) {
      const std::vector<float> floats = numbers(m.k * m.n);
      std::vector<bfloat16> rounded;
      for (const float each : floats) rounded.push_back(bfloat16(each));
      const auto* const of_floats = reinterpret_cast<const std::byte*>(floats.data());
      const auto* const of_rounded = reinterpret_cast<const std::byte*>(rounded.data());
      check(m, transposed, {of_floats, floats.size(), element::float32}, element::float32);
      if (!remat::onednn::has_bfloat16()) continue;
      check(m, transposed, {of_floats, floats.size(), element::float32}, element::bfloat16);
      check(m, transposed, {of_rounded, rounded.size(), element::bfloat16}, element::bfloat16);
    }
}

TEST_CASE("a product chooses panels of columns where they are made by a loop of ours") {
  if (remat::onednn::instructions() != remat::onednn::instruction_set::avx512) return;
  for (const element each : {element::float32, element::bfloat16}) {
    if (each == element::bfloat16 && !remat::onednn::has_bfloat16()) continue;
    for (const matrix& m : matrices) {
      const auto product = remat::onednn::matrix_product(
          layout::row_major({64, m.k}).of(each), layout::chosen({m.k, m.n}).of(each), layout::row_major({64, m.n}), {});
      CHECK(product.layout_of(remat::onednn::weights) == layout::panels(m.k, m.n, each));
    }
  }
}

}  // namespace packed_columns_tests
