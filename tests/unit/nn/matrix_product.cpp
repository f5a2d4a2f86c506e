// SPDX-License-Identifier: MIT
// The rule that cuts matrix products into calls, and the sums of what is cut.
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace matrix_product_tests {

namespace detail = remat::nn::detail;
using detail::extents_of;
using detail::matrix_product;
using detail::processor;
using detail::product;
using detail::product_extents;

constexpr product_extents tile(product which, std::size_t rows, std::size_t in, std::size_t out,
                               processor on = processor::avx512, bool adds = false, int threads = 1) {
  return detail::product_tile(which, extents_of(which, rows, in, out), adds, on, threads);
}
constexpr product_extents added(std::size_t rows, std::size_t in, std::size_t out) {
  return tile(product::weight_gradient, rows, in, out, processor::avx512, true);
}

// Small products and forward products are one call each, on plain matrices.
static_assert(tile(product::forward, 64, 128, 128) == product_extents{64, 128, 128});
static_assert(tile(product::input_gradient, 64, 128, 128) == product_extents{64, 128, 128});
static_assert(tile(product::forward, 1024, 768, 3072) == product_extents{1024, 3072, 768});
static_assert(tile(product::forward, 8192, 1024, 1024) == product_extents{8192, 1024, 1024});
static_assert(tile(product::weight_gradient, 256, 1024, 1024) == product_extents{1024, 1024, 256});
// Wide results are computed in equal parts of whole vectors, where there are any.
static_assert(tile(product::input_gradient, 1024, 768, 3072) == product_extents{1024, 128, 3072});
static_assert(tile(product::input_gradient, 1024, 4096, 1024) == product_extents{1024, 128, 1024});
static_assert(tile(product::input_gradient, 1024, 960, 1024) == product_extents{1024, 64, 1024});
static_assert(tile(product::input_gradient, 1024, 1000, 1024) == product_extents{1024, 1000, 1024});
static_assert(tile(product::weight_gradient, 1024, 3072, 768) == product_extents{768, 256, 1024});
static_assert(tile(product::weight_gradient, 1024, 2048, 2048) == product_extents{2048, 1024, 1024});
static_assert(tile(product::weight_gradient, 1024, 768, 3072) == product_extents{3072, 768, 1024});
// Of few rows, one thread reads W in parts where it is large, and the many outputs are cut.
static_assert(tile(product::input_gradient, 64, 1024, 1024) == product_extents{64, 128, 128});
static_assert(tile(product::input_gradient, 64, 768, 50257) == product_extents{64, 128, 128});
static_assert(tile(product::input_gradient, 64, 1024, 1024, processor::avx512, false, 2) ==
              product_extents{64, 128, 1024});
static_assert(tile(product::input_gradient, 64, 512, 512) == product_extents{64, 128, 512});
static_assert(tile(product::input_gradient, 257, 1024, 1024) == product_extents{257, 128, 1024});
static_assert(tile(product::weight_gradient, 64, 768, 50257) == product_extents{640, 768, 64});
static_assert(tile(product::weight_gradient, 256, 768, 50257) == product_extents{50257, 768, 256});
// What is added to a gradient stays in the cache, and is read before where rows are few.
static_assert(added(64, 128, 128) == product_extents{128, 128, 64});
static_assert(added(64, 1024, 1024) == product_extents{256, 1024, 64});
static_assert(added(256, 768, 3072) == product_extents{320, 768, 256});
static_assert(added(512, 1024, 1024) == product_extents{256, 1024, 512});
static_assert(added(1024, 1024, 1024) == product_extents{1024, 1024, 1024});
static_assert(detail::reads_before_adding({512, 1024, 64}, {1024, 1024, 64}));
static_assert(!detail::reads_before_adding({512, 1024, 1024}, {1024, 1024, 1024}));
static_assert(!detail::reads_before_adding({128, 128, 64}, {128, 128, 64}));
// Intel's cores, and CPUs whose matmul is another one.
static_assert(tile(product::forward, 1024, 768, 3072, processor::intel_avx512) == product_extents{256, 3072, 768});
static_assert(tile(product::forward, 64, 768, 3072, processor::intel_avx512) == product_extents{64, 3072, 768});
static_assert(tile(product::input_gradient, 1024, 3072, 768, processor::intel_avx512) ==
              product_extents{256, 512, 768});
static_assert(tile(product::input_gradient, 64, 1024, 1024, processor::intel_avx512) == product_extents{64, 512, 1024});
static_assert(tile(product::input_gradient, 64, 768, 50257, processor::intel_avx512) == product_extents{64, 384, 128});
static_assert(tile(product::weight_gradient, 1024, 3072, 768, processor::intel_avx512) ==
              product_extents{768, 1024, 1024});
static_assert(tile(product::forward, 8192, 1024, 1024, processor::other) == product_extents{8192, 1024, 1024});
static_assert(tile(product::input_gradient, 1024, 768, 3072, processor::other) == product_extents{1024, 768, 3072});
static_assert(tile(product::weight_gradient, 1024, 768, 3072, processor::other, false) ==
              product_extents{1344, 768, 1024});
static_assert(tile(product::weight_gradient, 1024, 768, 3072, processor::other, true) ==
              product_extents{1344, 768, 1024});

constexpr bool packs(product which, std::size_t rows, std::size_t in, std::size_t out,
                     processor on = processor::avx512) {
  return detail::packs_columns(which, extents_of(which, rows, in, out), on);
}

// The second factor is packed where rows are many, or the lines of a gradient long, and its copy is not large.
static_assert(packs(product::forward, 2048, 256, 1024) && !packs(product::forward, 1024, 768, 3072));
static_assert(packs(product::input_gradient, 1024, 768, 3072) && !packs(product::input_gradient, 512, 768, 3072));
static_assert(packs(product::weight_gradient, 256, 1024, 1024) && !packs(product::weight_gradient, 2048, 256, 1024));
static_assert(!packs(product::weight_gradient, 2048, 1024, 256));
static_assert(!packs(product::input_gradient, 2048, 768, 50257) && !packs(product::weight_gradient, 8192, 1024, 1024));
static_assert(!packs(product::input_gradient, 1024, 768, 3072, processor::intel_avx512));

std::vector<float> numbers(std::size_t size, unsigned seed) {
  std::vector<float> made(size);
  for (float& each : made) {
    seed = seed * 1664525u + 1013904223u;
    each = static_cast<float>(seed >> 8) / 8388608.0f - 1;
  }
  return made;
}

/// c = start + a b, and how far a float sum may be from it.
struct exact {
  std::vector<double> values, bounds;

  exact(product which, const product_extents& size, const std::vector<float>& a, const std::vector<float>& b,
        const std::vector<float>& start) {
    for (std::size_t m = 0; m < size.m; ++m)
      for (std::size_t n = 0; n < size.n; ++n) {
        double sum = start[m * size.n + n], magnitude = std::abs(sum);
        for (std::size_t k = 0; k < size.k; ++k) {
          const double term =
              static_cast<double>(which == product::weight_gradient ? a[k * size.m + m] : a[m * size.k + k]) *
              static_cast<double>(which == product::forward ? b[n * size.k + k] : b[k * size.n + n]);
          sum += term;
          magnitude += std::abs(term);
        }
        values.push_back(sum);
        bounds.push_back(static_cast<double>(size.k + 8) * 0x1p-24 * magnitude);
      }
  }
};

/// Executes with scratch of the size that was reserved, and no more.
std::vector<float> execute(const matrix_product& of, std::vector<float> c, const std::vector<float>& a,
                           const std::vector<float>& b, const float* bias) {
  remat::prepared state;
  of.reserve(state, 0);
  constexpr std::size_t guard = 64;
  std::vector<unsigned char> memory(state.scratch_of() + 2 * guard, 0xa5);
  const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
  unsigned char* const scratch = memory.data() + (guard - at % guard) % guard;
  of.execute(reinterpret_cast<std::byte*>(scratch), c.data(), a.data(), b.data(), bias);
  for (const unsigned char* after = scratch + state.scratch_of(); after != memory.data() + memory.size(); ++after)
    REQUIRE(*after == 0xa5);
  return c;
}

TEST_CASE("a product in parts is the product, whatever the parts") {
  constexpr std::size_t rows = 37, in = 54, out = 72;
  const int threads = GENERATE(1, 2);
  const product which = GENERATE(product::forward, product::input_gradient, product::weight_gradient);
  const product_extents cut =
      GENERATE(product_extents{1000, 1000, 1000}, product_extents{16, 1000, 1000}, product_extents{1000, 18, 1000},
               product_extents{1000, 1000, 16}, product_extents{19, 18, 17}, product_extents{1, 9, 5});
  const bool adds = which != product::forward && GENERATE(false, true);
  const bool packs = remat::onednn::instructions() == remat::onednn::instruction_set::avx512 && GENERATE(false, true);
  const remat::thread_scope scope(threads);
  const product_extents size = extents_of(which, rows, in, out);
  const auto least = [](std::size_t a, std::size_t b) { return a < b ? a : b; };
  const product_extents tile{least(cut.m, size.m), least(cut.n, size.n), least(cut.k, size.k)};
  INFO(threads << " threads, product " << static_cast<int>(which) << " in parts of " << tile.m << " x " << tile.n
               << " x " << tile.k << (adds ? ", added" : ", written") << (packs ? ", packed" : ""));

  const std::vector<float> a = numbers(size.m * size.k, 1), b = numbers(size.k * size.n, 2),
                           before = numbers(size.m * size.n, 3), bias = numbers(size.n, 4);
  const bool has_bias = which == product::forward;
  std::vector<float> start(before.size());
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = adds ? before[i] : has_bias ? bias[i % size.n] : 0;
  const exact right(which, size, a, b, start);

  const matrix_product made(which, rows, in, out, {.adds_to_destination = adds}, has_bias, tile, packs);
  const std::vector<float> c =
      execute(made, adds ? before : std::vector<float>(before.size(), std::numeric_limits<float>::quiet_NaN()), a, b,
              bias.data());
  for (std::size_t i = 0; i < c.size(); ++i) REQUIRE(std::abs(c[i] - right.values[i]) <= right.bounds[i]);

  if (adds) {  // the sum of two gradients has the same bits, wherever it is made
    const matrix_product written(which, rows, in, out, {}, false, tile, packs);
    std::vector<float> sum = execute(written, std::vector<float>(before.size()), a, b, nullptr);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = before[i] + sum[i];
    CHECK(same_bits(sum, c));
  }
}

TEST_CASE("an activation is applied to the whole sum, not to its parts") {
  constexpr std::size_t rows = 9, in = 40, out = 33;
  const std::vector<float> x = numbers(rows * in, 1), w = numbers(out * in, 2), bias = numbers(out, 3);
  const matrix_product plain(product::forward, rows, in, out, {}, true, {4, 16, 11}),
      activated(product::forward, rows, in, out, {.after = remat::activation::relu}, true, {4, 16, 11});
  std::vector<float> expected = execute(plain, std::vector<float>(rows * out), x, w, bias.data());
  for (float& each : expected) each = each > 0 ? each : 0;
  CHECK(execute(activated, std::vector<float>(rows * out), x, w, bias.data()) == expected);
}

TEST_CASE("a gradient that is added has the bits of one that is written and added later, at the rule's own parts") {
  const auto rows = GENERATE(values<std::size_t>({3, 64, 128, 200, 700}));
  const int threads = GENERATE(1, 2);
  constexpr std::size_t in = 1100, out = 800;
  const remat::thread_scope scope(threads);
  INFO(rows << " rows, " << threads << " threads");
  const std::vector<float> dy = numbers(rows * out, 1), x = numbers(rows * in, 2), before = numbers(in * out, 3);
  const matrix_product adds(product::weight_gradient, rows, in, out, {.adds_to_destination = true}),
      writes(product::weight_gradient, rows, in, out);
  std::vector<float> sum = execute(writes, std::vector<float>(in * out), dy, x, nullptr);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = before[i] + sum[i];
  CHECK(same_bits(sum, execute(adds, before, dy, x, nullptr)));
}

}  // namespace matrix_product_tests
