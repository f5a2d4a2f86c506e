// SPDX-License-Identifier: MIT
// Tasks on several threads, and products of tiles that they ask for at the same time.
#include "kernel_run.hpp"

#include <remat/nn/each_task.hpp>
#include <remat/nn/tile_products.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <vector>

namespace each_task_tests {

using remat::nn::detail::each_task, remat::nn::detail::tile_product, remat::nn::detail::tile_products;

TEST_CASE("each task is done once, and no worker does two at a time") {
  for (const int threads : {1, 2, 4})
    for (const std::size_t workers : {1u, 3u, 7u}) {
      const remat::thread_scope scope(threads);
      constexpr std::size_t tasks = 101;
      std::vector<std::atomic<int>> done(tasks), busy(workers);
      std::atomic<int> shared = 0;
      each_task(tasks, workers, [&](std::size_t task, std::size_t worker) {
        if (worker >= workers || busy[worker].fetch_add(1) != 0) ++shared;
        ++done[task];
        busy[worker].fetch_sub(1);
      });
      CHECK(shared == 0);
      for (const auto& times : done) CHECK(times == 1);
    }
  each_task(0, 2, [](std::size_t, std::size_t) { FAIL("there is no task"); });
}

/// An element of c, where `a` and `b` are as the product reads them.
double sum_of(tile_product which, const floats& a, const floats& b, std::size_t m, std::size_t n, std::size_t k,
              std::size_t row, std::size_t column) {
  double sum = 0;
  for (std::size_t i = 0; i < k; ++i)
    sum += static_cast<double>(which == tile_product::of_transposed ? a[i * m + row] : a[row * k + i]) *
           static_cast<double>(which == tile_product::by_rows ? b[column * k + i] : b[i * n + column]);
  return sum;
}

TEST_CASE("products of tiles are those of naive sums, on several threads at once") {
  constexpr std::size_t m = 13, n = 37, k = 21, workers = 3, tasks = 40;
  for (const tile_product which :
       {tile_product::by_rows, tile_product::plain, tile_product::added, tile_product::of_transposed}) {
    const remat::thread_scope scope(3);
    tile_products products(workers);
    products.want(which, m, n, k);
    std::vector<floats> a(tasks, floats(m * k)), b(tasks, floats(k * n)), c(tasks, floats(m * n, 0.5f));
    for (std::size_t t = 0; t < tasks; ++t) {
      for (std::size_t i = 0; i < m * k; ++i) a[t][i] = number(i, t);
      for (std::size_t i = 0; i < k * n; ++i) b[t][i] = number(i, t + 50);
    }
    std::vector<std::vector<std::byte>> scratch(workers, std::vector<std::byte>(products.scratch_bytes() + 64));
    each_task(tasks, workers, [&](std::size_t t, std::size_t worker) {
      products.execute(which, m, n, k, a[t].data(), b[t].data(), c[t].data(), scratch[worker].data(), worker);
    });
    const double before = which == tile_product::added ? 0.5 : 0;
    for (std::size_t t = 0; t < tasks; ++t)
      for (std::size_t i = 0; i < m * n; ++i) {
        const double wanted = before + sum_of(which, a[t], b[t], m, n, k, i / n, i % n);
        CHECK(static_cast<double>(c[t][i]) == Approx(wanted).margin(1e-4));
      }
    CHECK_THROWS_AS(products.execute(which, m + 1, n, k, a[0].data(), b[0].data(), c[0].data(), scratch[0].data(), 0),
                    remat::error);
  }
}

}  // namespace each_task_tests
