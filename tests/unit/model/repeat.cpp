// SPDX-License-Identifier: MIT
#include <remat/core/policies.hpp>
#include <remat/model/lower.hpp>
#include <remat/nn/linear.hpp>
#include <remat/nn/relu.hpp>
#include <remat/plan/plan.hpp>

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

namespace repeat_tests {

namespace nn = remat::nn;

using block = remat::sequential<nn::linear<4, 4>, nn::relu>;
using input = remat::tensor<float, 4>;

TEST_CASE("a repeat is a sequential of its module") {
  const remat::program repeated = remat::lower<remat::named<"h", remat::repeat<3, block>>, input>();
  const remat::program written = remat::lower<remat::named<"h", remat::sequential<block, block, block>>, input>();
  REQUIRE(repeated.nodes.size() == written.nodes.size());
  for (int n = 0; n < repeated.nodes.count(); ++n) {
    CHECK(remat::path_of(repeated, n) == remat::path_of(written, n));
    CHECK(repeated.nodes[n].is_sequential == written.nodes[n].is_sequential);
    CHECK(repeated.nodes[n].last == written.nodes[n].last);
  }
  REQUIRE(repeated.operations.size() == written.operations.size());
  for (int i = 0; i < repeated.operations.count(); ++i) {
    CHECK(repeated.operations[i].inputs[0] == written.operations[i].inputs[0]);
    CHECK(repeated.operations[i].occurrence == written.operations[i].occurrence);
  }
}

TEST_CASE("stages, strategies and chain policies count a repeat's children") {
  using net = remat::sequential<remat::repeat<4, block>, remat::on_stage<1, remat::repeat<5, block>>>;
  const remat::program p = remat::lower<net, input>();
  CHECK(p.operations[7].stage == 0);
  CHECK(p.operations[8].stage == 1);
  const auto segments = [](auto net_) {
    std::vector<std::pair<int, int>> found;
    for (const remat::segment& s : remat::segments_of(remat::lower<decltype(net_), input>(), {}))
      found.emplace_back(s.first, s.last);
    return found;
  };
  using pairs = std::vector<std::pair<int, int>>;
  using chain = remat::repeat<7, block>;
  CHECK(segments(remat::checkpoint_sequential<chain, remat::strategy::group<3>>{}) == pairs{{0, 6}, {6, 12}, {12, 14}});
  // The last segment of a chain policy is left as it is.
  CHECK(segments(remat::checkpoint<chain, remat::every<3>>{}) == pairs{{0, 6}, {6, 12}});
  CHECK(segments(remat::checkpoint<chain, remat::square_root>{}) == pairs{{0, 6}, {6, 12}});
  CHECK(segments(remat::checkpoint<remat::repeat<16, block>, remat::square_root>{}) ==
        pairs{{0, 8}, {8, 16}, {16, 24}});
}

}  // namespace repeat_tests
