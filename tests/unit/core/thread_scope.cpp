// SPDX-License-Identifier: MIT
// Models where a program, or OpenMP, changes the number of threads around them: numbers are right, bits are those of
// the threads that there are, and a model that was told its number of threads says so where they are not there.
#include "tests/environments/checked_models.hpp"

#include <remat/check/profile.hpp>

#include <omp.h>
#include <catch2/catch.hpp>

#include <thread>
#include <vector>

namespace thread_scope_tests {

using Catch::Matchers::Contains;

struct numbers_of {
  std::vector<float> predicted, gradients;
};

numbers_of run(checked::wide& w, checked::small& s) { return {checked::predict(w), checked::train(s)}; }

/// New models on this number of threads.
numbers_of expected(int threads) {
  checked::wide w{{.seed = 1, .threads = threads}};
  checked::small s{{.seed = 1, .threads = threads}};
  const numbers_of found = run(w, s);
  REQUIRE(checked::wrong_outputs(w, found.predicted) == 0);
  REQUIRE(checked::wrong_gradients(s) == 0);
  return found;
}

bool operator==(const numbers_of& a, const numbers_of& b) {
  return same_bits(a.predicted, b.predicted) && same_bits(a.gradients, b.gradients);
}

/// OpenMP's settings of this thread, put back in the end.
class settings_restored {
 public:
  ~settings_restored() {
    omp_set_num_threads(threads_);
    omp_set_dynamic(dynamic_);
    omp_set_max_active_levels(levels_);
  }

 private:
  int threads_ = omp_get_max_threads(), dynamic_ = omp_get_dynamic(), levels_ = omp_get_max_active_levels();
};

TEST_CASE("a scope says how many threads there are, and leaves OpenMP's settings as they were", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(3);
  omp_set_dynamic(1);
  {
    const remat::thread_scope outer(2);
    CHECK(outer.threads() == 2);
    CHECK(remat::primitive_threads() == 2);
    CHECK(omp_get_dynamic() == 0);
    const remat::thread_scope inner(4);
    CHECK(inner.threads() == 4);
    CHECK(remat::primitive_threads() == 4);
  }
  CHECK(omp_get_max_threads() == 3);
  CHECK(omp_get_dynamic() != 0);
  omp_set_max_active_levels(0);
  CHECK(remat::thread_scope(2).threads() == 1);
  CHECK(remat::thread_count() == 1);
  CHECK_THROWS_WITH(remat::thread_scope(2, true),
                    Contains("a model of 2 threads has 1 here: OMP_MAX_ACTIVE_LEVELS is 0"));
  CHECK(omp_get_max_threads() == 3);
}

TEST_CASE("a scope within a parallel region has one thread", "[serial]") {
  const settings_restored restored;
  omp_set_max_active_levels(2);
  std::vector<int> found(2);
#pragma omp parallel num_threads(2)
  {
    const remat::thread_scope scope(2);
    found[static_cast<std::size_t>(omp_get_thread_num())] = 10 * scope.threads() + remat::primitive_threads();
  }
  CHECK(found == std::vector{11, 11});
#pragma omp parallel num_threads(1)
  found[0] = remat::thread_scope(2).threads();
  CHECK(found[0] == 2);
}

TEST_CASE("models compute alike where OpenMP may choose the number of threads", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  checked::wide w{{.seed = 1}};
  checked::small s{{.seed = 1}};
  const numbers_of two = expected(2);
  CHECK(w.threads() == 2);
  CHECK(run(w, s) == two);
  omp_set_dynamic(1);
  CHECK(run(w, s) == two);
  for (const int threads : {1, 3, 2}) {
    omp_set_num_threads(threads);
    CHECK(run(w, s) == two);
  }
}

TEST_CASE("a model of the default number of threads computes on one in a parallel region", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  const numbers_of one = expected(1), two = expected(2);
  checked::wide w{{.seed = 1}};
  checked::small s{{.seed = 1}};
  for (const int levels : {1, 2}) {
    omp_set_max_active_levels(levels);
    CHECK(run(w, s) == two);
    numbers_of found;
#pragma omp parallel num_threads(2)
#pragma omp single
    found = run(w, s);
    CHECK(found == one);
#pragma omp parallel num_threads(2)
#pragma omp single
#pragma omp task shared(found, w, s)
    found = run(w, s);
    CHECK(found == one);
    CHECK(run(w, s) == two);
  }
}

TEST_CASE("a model that is built in a parallel region has all threads after it", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  const numbers_of one = expected(1), two = expected(2);
  std::vector<checked::wide> w;
  std::vector<checked::small> s;
  numbers_of found;
#pragma omp parallel num_threads(2)
#pragma omp single
  {
    omp_set_num_threads(2);
    w.emplace_back(remat::model_options{.seed = 1});
    s.emplace_back(remat::model_options{.seed = 1});
    found = run(w[0], s[0]);
  }
  CHECK(found == one);
  CHECK(run(w[0], s[0]) == two);
}

TEST_CASE("several models compute at once, in threads of OpenMP's and of the system's", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  const numbers_of one = expected(1), two = expected(2);
  std::vector<numbers_of> found(3);
#pragma omp parallel for num_threads(3)
  for (std::size_t i = 0; i < found.size(); ++i) {
    checked::wide w{{.seed = 1}};
    checked::small s{{.seed = 1}};
    found[i] = run(w, s);
  }
  for (const numbers_of& each : found) CHECK(each == one);
  std::vector<std::thread> threads;
  for (numbers_of& each : found)
    threads.emplace_back([&each] {
      checked::wide w{{.seed = 1, .threads = 2}};
      checked::small s{{.seed = 1, .threads = 2}};
      for (int i = 0; i < 3; ++i) each = run(w, s);
    });
  for (std::thread& each : threads) each.join();
  for (const numbers_of& each : found) CHECK(each == two);
}

TEST_CASE("a model that was told its number of threads refuses to compute on fewer", "[serial]") {
  const settings_restored restored;
  checked::small s{{.seed = 1, .threads = 2}};
  const std::vector<float> before = checked::train(s);
  std::string refused, audited, profiled;
#pragma omp parallel num_threads(2)
#pragma omp single
  {
    const auto message_of = [](const auto& call) -> std::string {
      try {
        call();
      } catch (const remat::error& e) {
        return e.what();
      }
      return "no error";
    };
    const std::vector<float> x(checked::channels * checked::size * checked::size), y(checked::outputs);
    refused = message_of([&] { checked::train(s); });
    audited = message_of([&] { remat::audit(s, x, y); });
    profiled = message_of([&] { remat::profile(s, 1); });
  }
  const std::string wanted =
      "a model of 2 threads has 1 here: within an active parallel region a model runs on the calling thread alone; "
      "build it with .threads = 1, or with 0 for as many as there are";
  CHECK(refused == wanted);
  CHECK(audited == wanted);
  CHECK(profiled == wanted);
  CHECK(same_bits(checked::train(s), before));
  s.set_threads(0);
#pragma omp parallel num_threads(2)
#pragma omp single
  CHECK_NOTHROW(checked::train(s));
}

TEST_CASE("audits, profiles and checks of gradients hold in a parallel region, too", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  checked::small s{{.seed = 1}};
  const std::vector<float> x = checked::numbers(4 * checked::channels * checked::size * checked::size, 1),
                           y = checked::numbers(4 * checked::outputs, 2);
  bool audit_holds = false, gradients_hold = false;
  std::size_t profiled = 0;
#pragma omp parallel num_threads(2)
#pragma omp single
  {
    audit_holds = remat::audit(s, x, y).holds();
    profiled = remat::profile(s, 4).operations.size();
    gradients_hold = remat::check_gradients<remat::nn::conv2d<2, 3, 3>, remat::image<float, 2, 5, 5>>().holds();
    checked::train(s);
    remat::clip_gradients(s, 1);
    remat::sgd optimizer{{.learning_rate = 0.1f}};
    optimizer.step(s);
  }
  CHECK(audit_holds);
  CHECK(gradients_hold);
  CHECK(profiled == s.lowered().operations.size());
  omp_set_dynamic(1);
  CHECK(remat::audit(s, x, y).holds());
  CHECK(remat::check_gradients<remat::nn::conv2d<2, 3, 3>, remat::image<float, 2, 5, 5>>().holds());
}

TEST_CASE("forward and backward have the same threads, or are refused", "[serial]") {
  const settings_restored restored;
  omp_set_num_threads(2);
  remat::model<remat::sequential<remat::nn::linear<64, 64>>, remat::tensor<float, 64>> m{{.seed = 1}};
  const std::vector<float> x = checked::numbers(64 * 64, 1);
  m.forward(x);
  std::string refused;
#pragma omp parallel num_threads(2)
#pragma omp single
  try {
    m.backward(x);
  } catch (const remat::error& e) {
    refused = e.what();
  }
  CHECK_THAT(refused, Contains("backward has 1 threads here, and forward before it had 2"));
  CHECK_NOTHROW(m.backward(x));
}

}  // namespace thread_scope_tests
