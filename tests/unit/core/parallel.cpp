// SPDX-License-Identifier: MIT
#include <remat/core/error.hpp>
#include <remat/core/parallel.hpp>
#include <remat/core/thread_scope.hpp>

#include <catch2/catch.hpp>

#include <atomic>
#include <cstddef>
#include <string>

namespace parallel_tests {

TEST_CASE("what a piece of a loop throws is thrown when all pieces have ended, on any number of threads", "[core]") {
  for (const int threads : {1, 2, 4}) {
    const remat::thread_scope scope(threads);
    std::atomic<std::size_t> done = 0;
    const auto throw_from = [&](std::size_t first_bad) {
      remat::parallel_for(64, 1, [&](std::size_t begin, std::size_t end) {
        if (end > first_bad) throw remat::error("piece from " + std::to_string(begin));
        done += end - begin;
      });
    };
    CHECK_THROWS_AS(throw_from(0), remat::error);
    CHECK(done == 0);
    CHECK_THROWS_WITH(throw_from(63), Catch::Contains("piece from"));
    CHECK(done == (threads == 1 ? 0 : 64 - 64 / static_cast<std::size_t>(threads)));
    done = 0;
    CHECK_NOTHROW(throw_from(64));
    CHECK(done == 64);
  }
}

}  // namespace parallel_tests
