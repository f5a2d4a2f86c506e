// SPDX-License-Identifier: MIT
#include <remat/model/lower.hpp>
#include <remat/nn/linear.hpp>
#include <remat/plan/segments.hpp>

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

namespace {

using layer = remat::nn::linear<4, 4>;
using range = std::pair<int, int>;

template <class Net>
std::vector<range> segments() {
  const remat::program p = remat::lower<Net, remat::tensor<float, 4>>();
  std::vector<range> found;
  for (const auto& s : remat::segments_of(p)) found.emplace_back(s.first, s.last);
  return found;
}

template <class Strategy, class... M>
using checked = remat::checkpoint_sequential<remat::sequential<M...>, Strategy>;

}  // namespace

TEST_CASE("strategies group the children of a sequential") {
  using remat::strategy::contiguous, remat::strategy::each, remat::strategy::group;
  CHECK(segments<checked<each, layer, layer, layer>>() == std::vector<range>{{0, 1}, {1, 2}, {2, 3}});
  CHECK(segments<checked<contiguous, layer, layer, layer>>() == std::vector<range>{{0, 3}});
  CHECK(segments<checked<group<2>, layer, layer, layer, layer, layer>>() == std::vector<range>{{0, 2}, {2, 4}, {4, 5}});
  CHECK(segments<remat::checkpoint<remat::sequential<layer, layer>>>() == std::vector<range>{{0, 2}});
  CHECK(segments<remat::checkpoint<layer>>() == std::vector<range>{{0, 1}});
}

TEST_CASE("a group never crosses a stage, and grouping starts anew behind it") {
  using remat::strategy::contiguous, remat::strategy::group;
  using c = remat::on_stage<1, layer>;
  CHECK(segments<checked<group<3>, layer, layer, c, layer, layer>>() == std::vector<range>{{0, 2}, {2, 5}});
  CHECK(segments<checked<contiguous, layer, layer, c, layer, layer>>() == std::vector<range>{{0, 2}, {2, 5}});
  CHECK(segments<checked<group<2>, layer, layer, layer, c, layer, layer>>() ==
        std::vector<range>{{0, 2}, {2, 3}, {3, 5}, {5, 6}});
}

TEST_CASE("checkpoints nest") {
  using inner = remat::checkpoint<remat::sequential<layer, layer>>;
  const remat::program p = remat::lower<
      remat::checkpoint<remat::sequential<layer, inner, remat::checkpoint<remat::sequential<layer, inner>>>>,
      remat::tensor<float, 4>>();
  const auto found = remat::segments_of(p);
  REQUIRE(found.size() == 4);
  CHECK((found[0].first == 0 && found[0].last == 6 && found[0].parent == remat::none));
  CHECK((found[1].first == 1 && found[1].last == 3 && found[1].parent == 0));
  CHECK((found[2].first == 3 && found[2].last == 6 && found[2].parent == 0));
  CHECK((found[3].first == 4 && found[3].last == 6 && found[3].parent == 2));
}

TEST_CASE("a checkpoint directly around another nests, too") {
  using grouped =
      remat::checkpoint_sequential<remat::sequential<layer, layer, layer, layer>, remat::strategy::group<2>>;
  CHECK(segments<remat::checkpoint<grouped>>() == std::vector<range>{{0, 4}, {0, 2}, {2, 4}});
  CHECK(segments<remat::checkpoint<remat::named<"a", grouped>>>() == std::vector<range>{{0, 4}, {0, 2}, {2, 4}});
  CHECK(segments<remat::checkpoint<remat::checkpoint<remat::sequential<layer, layer>>, remat::save_all>>() ==
        std::vector<range>{{0, 2}});
}

TEST_CASE("a checkpoint in a checkpoint of the same operations says nothing new") {
  CHECK(segments<remat::checkpoint<remat::named<"a", remat::checkpoint<layer>>>>() == std::vector<range>{{0, 1}});
  CHECK(segments<remat::checkpoint<remat::sequential<remat::checkpoint<layer>>>>() == std::vector<range>{{0, 1}});
}
