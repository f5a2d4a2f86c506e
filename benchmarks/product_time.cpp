// SPDX-License-Identifier: MIT
/// The matrix products of linear layers, as remat computes them and as each single call of oneDNN would, in GFLOP/s:
/// whether the rule of nn/product_tile.hpp holds on this CPU.
///
///     product_time THREADS [ROUNDS]
///
///     remat     the rule's choice
///     plain     one call of the matmul primitive
///     sgemm     dnnl_sgemm
///     packed    b reordered into the layout that the primitive chooses, and the primitive; both are timed
///     tiles     the primitive on parts of 256 x 1024
///
/// ratio is remat by the best other. Of the rounds, in which all take turns, the shortest time counts. Memory is as in
/// a step, in huge pages where there are any: strides of a page and more are up to three times as slow in small ones.
#include <remat/remat.hpp>

#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace {

namespace detail = remat::nn::detail;
namespace onednn = remat::onednn;
using detail::matrix_product;
using detail::product;
using onednn::layout;

struct shape {
  const char* name;
  std::size_t rows, in, out;
};
constexpr shape shapes[] = {
    {"768-3072", 1024, 768, 3072},   {"3072-768", 1024, 3072, 768},         {"768-2304", 1024, 768, 2304},
    {"1024-4096", 1024, 1024, 4096}, {"4096-1024", 1024, 4096, 1024},       {"256-1024", 2048, 256, 1024},
    {"1024-256", 2048, 1024, 256},   {"2048-2048", 1024, 2048, 2048},       {"512-2048, 64 rows", 64, 512, 2048},
    {"1024-1024", 256, 1024, 1024},  {"768-50257, 64 rows", 64, 768, 50257}};
constexpr std::pair<const char*, product> products[] = {
    {"forward", product::forward}, {"dX", product::input_gradient}, {"dW", product::weight_gradient}};

/// Memory of one product: a, b and c, and scratch for any way of computing it.
struct operands {
  product which;
  detail::product_extents size;
  remat::memory_block a, b, c, scratch = {}, packed = {};
};

float* floats(const remat::memory_block& block) { return reinterpret_cast<float*>(block.data()); }

remat::memory_block numbers(std::size_t size) {
  remat::memory_block made(size * sizeof(float));
  unsigned seed = 1;
  for (std::size_t i = 0; i < size; ++i) {
    seed = seed * 1664525u + 1013904223u;
    floats(made)[i] = static_cast<float>(seed >> 8) / 8388608.0f - 1;
  }
  return made;
}

void grow(remat::memory_block& block, std::size_t bytes) {
  if (bytes > block.size()) block = remat::memory_block(bytes);
}

using call = std::function<void(operands&)>;

call of(matrix_product made, operands& with) {
  remat::prepared state;
  made.reserve(state, 0);
  grow(with.scratch, state.scratch_of());
  return [p = std::make_shared<matrix_product>(std::move(made))](operands& o) {
    p->execute(o.scratch.data(), floats(o.c), floats(o.a), floats(o.b));
  };
}

call sgemm(const operands& with) {
  const bool a_turned = with.which == product::weight_gradient, b_turned = with.which == product::forward;
  const auto extent = [](std::size_t e) { return static_cast<dnnl_dim_t>(e); };
  return [=](operands& o) {
    const auto& [m, n, k] = o.size;
    dnnl_sgemm(a_turned ? 'T' : 'N', b_turned ? 'T' : 'N', extent(m), extent(n), extent(k), 1, floats(o.a),
               extent(a_turned ? m : k), floats(o.b), extent(b_turned ? k : n), 0, floats(o.c), extent(n));
  };
}

call packed(operands& with) {
  const auto& [m, n, k] = with.size;
  const bool a_turned = with.which == product::weight_gradient, b_turned = with.which == product::forward;
  const layout a = a_turned ? layout::transposed(m, k) : layout::row_major({m, k}),
               b = b_turned ? layout::transposed(k, n) : layout::row_major({k, n});
  auto multiply = std::make_shared<onednn::primitive>(
      onednn::matrix_product(a, layout::chosen({k, n}), layout::row_major({m, n}), {}));
  const layout chosen = multiply->layout_of(onednn::weights);
  auto pack = std::make_shared<onednn::primitive>(onednn::primitive::reorder(b, chosen));
  grow(with.packed, chosen.bytes());
  for (const auto* each : {multiply.get(), pack.get()}) grow(with.scratch, each->scratch_bytes());
  return [=](operands& o) {
    pack->execute(o.scratch.data(), {{onednn::source, o.b.data()}, {onednn::result, o.packed.data()}});
    multiply->execute(o.scratch.data(),
                      {{onednn::source, o.a.data()}, {onednn::weights, o.packed.data()}, {onednn::result, o.c.data()}});
  };
}

void compare(const shape& s, const std::pair<const char*, product>& which, std::size_t rounds) {
  using clock = std::chrono::steady_clock;
  const auto size = detail::extents_of(which.second, s.rows, s.in, s.out);
  const auto [m, n, k] = size;
  operands with{which.second, size, numbers(m * k), numbers(k * n), remat::memory_block(m * n * sizeof(float))};
  const auto parts = [&, rows = s.rows, in = s.in, out = s.out](const detail::product_extents& tile) {
    return of(matrix_product(which.second, rows, in, out, {}, false, tile), with);
  };
  const call calls[] = {of(matrix_product(which.second, s.rows, s.in, s.out), with), parts(with.size), sgemm(with),
                        packed(with), parts({std::min<std::size_t>(m, 256), std::min<std::size_t>(n, 1024), k})};
  std::vector<double> seconds[std::size(calls)];
  for (std::size_t round = 0; round <= rounds; ++round)
    for (std::size_t i = 0; i < std::size(calls); ++i) {
      const auto begin = clock::now();
      calls[i](with);
      if (round > 0) seconds[i].push_back(std::chrono::duration<double>(clock::now() - begin).count());
    }
  double rates[std::size(calls)];
  for (std::size_t i = 0; i < std::size(calls); ++i) {
    const double least = *std::min_element(seconds[i].begin(), seconds[i].end());
    rates[i] = 2e-9 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / least;
  }
  std::printf("%-20s %-8s", s.name, which.first);
  for (const double rate : rates) std::printf("%8.0f", rate);
  std::printf("%8.3f\n", rates[0] / *std::max_element(std::begin(rates) + 1, std::end(rates)));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0, rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  if (argc > 3 || threads < 1 || rounds < 1) {
    std::fprintf(stderr, "usage: product_time THREADS [ROUNDS]\n");
    return 2;
  }
  const remat::thread_scope scope(threads);
  std::printf("GFLOP/s, %d thread%s\n%-20s %-8s%8s%8s%8s%8s%8s%8s\n", threads, threads > 1 ? "s" : "", "in-out",
              "product", "remat", "plain", "sgemm", "packed", "tiles", "ratio");
  for (const shape& s : shapes)
    for (const auto& which : products) compare(s, which, static_cast<std::size_t>(rounds));
}
