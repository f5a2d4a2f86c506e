// SPDX-License-Identifier: MIT
// Schedules against the factors of PyTorch 1.13's.
#include <remat/train/learning_rate.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace learning_rate_tests {

namespace rate = remat::learning_rate;
using Catch::Matchers::Contains;

template <class Schedule>
void check(const Schedule& schedule, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t)
    CHECK(schedule(t) == Approx(expected[t]).epsilon(1e-12).margin(1e-15));
}

TEST_CASE("schedules follow PyTorch's") {
  check(rate::linear{.steps = 5, .from = 0.25}, {0.25, 0.4, 0.55, 0.7, 0.85, 1, 1});
  check(rate::cosine{.steps = 8, .to = 0.1}, {1, 0.9657457896300791, 0.8681980515339464, 0.7222075445642905, 0.55,
                                              0.3777924554357097, 0.2318019484660537, 0.134254210369921, 0.1});
  check(rate::step_decay{.every = 3, .factor = 0.5}, {1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25});
  check(rate::polynomial{.steps = 5, .power = 2}, {1, 0.64, 0.36, 0.16, 0.04, 0, 0});
  check(rate::sequence{rate::linear{.steps = 3, .from = 0.2}, rate::cosine{.steps = 5}},
        {0.2, 0.4666666666666666, 0.7333333333333333, 1, 0.9045084971874737, 0.6545084971874737, 0.3454915028125263,
         0.09549150281252632, 0});
}

TEST_CASE("a schedule ends where it says, and stays there") {
  CHECK(rate::linear{.steps = 3, .to = 0.3}(3) == 0.3);
  CHECK(rate::cosine{.steps = 3, .to = 0.3}(1000) == 0.3);
  CHECK(rate::polynomial{.steps = 3, .to = 0.3}(4) == 0.3);
  CHECK(rate::constant{}(1000) == 1);
  check(rate::polynomial{.steps = 4}, {1, 0.75, 0.5, 0.25, 0, 0});
}

TEST_CASE("a sequence has parts of any kind, and leaves out empty ones") {
  const auto halves = [](std::size_t t) { return 0.5 + static_cast<double>(t); };
  check(rate::sequence{rate::linear{.steps = 0}, rate::constant{.steps = 2, .factor = 3}, rate::step_decay{.steps = 2},
                       halves},
        {3, 3, 1, 0.1, 0.5, 1.5});
}

TEST_CASE("a schedule without its length is refused") {
  CHECK_THROWS_WITH(rate::cosine{}(0), Contains("learning_rate::cosine needs its number of steps"));
  CHECK_THROWS_WITH(rate::linear{}(7), Contains("{.steps = 1000}"));
  CHECK_THROWS_WITH(rate::polynomial{}(7), Contains("polynomial"));
  CHECK_THROWS_WITH(rate::step_decay{.every = 0}(7), Contains("every 1 or more steps"));
}

}  // namespace learning_rate_tests
