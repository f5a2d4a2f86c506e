// SPDX-License-Identifier: MIT
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

namespace target_counter_tests {

/// A loss that counts its only target as it is.
struct counts_target : remat::module {
  static constexpr std::string_view kind = "counts_target";
  static remat::tensor<float, 1> target(remat::tensor<float, 1>);
  static remat::scalar<float> output(remat::tensor<float, 1>, remat::tensor<float, 1>);
  static double counted(const remat::target_pass& pass) { return static_cast<double>(pass.target()[0]); }
  static void forward(const remat::forward_pass& pass) { pass.output()[0] = 0; }
  static constexpr auto backward_input_reads = remat::reads::nothing;
  static void backward_input(const remat::backward_pass& pass) {
    pass.input_gradient().assign([](std::size_t) { return 0.0f; });
  }
};

TEST_CASE("a count of 0 has the bits of 0, whose largest over ranks is what others count") {
  const remat::program p =
      remat::lower<remat::sequential<remat::nn::linear<1, 1>>, remat::tensor<float, 1>, counts_target>();
  remat::target_counter counter(p);
  const std::vector<float> x{1};
  for (const float target : {0.0f, -0.0f, 2.0f}) {
    const std::vector<float> t{target};
    const double counted = counter.count(std::vector{remat::source_of(x), remat::source_of(t)}, 1, {});
    CHECK(std::bit_cast<std::uint64_t>(counted) == std::bit_cast<std::uint64_t>(target == 0 ? 0.0 : 2.0));
  }
}

}  // namespace target_counter_tests
