// SPDX-License-Identifier: MIT
// What each policy keeps and recomputes, on plans.
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace policies_tests {

namespace nn = remat::nn;

using remat::checkpoint_at, remat::kind;
namespace strategy = remat::strategy;

template <class Net, class Input>
remat::plan_report planned(std::vector<checkpoint_at> checkpoints, std::size_t batch = 8) {
  const remat::model<Net, Input, nn::nll_loss> m{{.threads = 1, .checkpoints = std::move(checkpoints)}};
  return m.plan(batch);
}

using block = remat::sequential<remat::named<"conv", nn::conv2d<4, 4, 3, nn::window{.padding = 1}>>,
                                nn::batch_norm2d<4>, nn::relu, nn::dropout<>,
                                remat::named<"last", nn::conv2d<4, 4, 3, nn::window{.padding = 1}>>, nn::relu>;
using images =
    remat::sequential<nn::conv2d<1, 4, 3, nn::window{.padding = 1}>, nn::relu,
                      remat::named<"chain", remat::repeat<9, block>>, nn::flatten, nn::linear<256, 5>, nn::log_softmax>;
using image = remat::image<float, 1, 8, 8>;

template <class Policy>
remat::plan_report chain(Policy policy) {
  return planned<images, image>({checkpoint_at("chain", strategy::contiguous{}, policy)});
}
std::size_t again(const remat::plan_report& r, const std::string& part) {
  std::size_t found = 0;
  for (const std::string& each : r.recomputed) found += each.find(part) != std::string::npos ? 1 : 0;
  return found;
}

template <class Activation>
using links = remat::sequential<remat::sequential<nn::linear<16, 16>, Activation>,
                                remat::sequential<nn::linear<16, 16>, Activation>,
                                remat::sequential<nn::linear<16, 16>, Activation>, nn::linear<16, 5>, nn::log_softmax>;

TEST_CASE("checkpointing links of a linear layer and an activation, one by one, costs nothing") {
  const auto check = [](auto net) {
    using model = decltype(net);
    const auto none = planned<model, remat::tensor<float, 16>>({});
    const auto each = planned<model, remat::tensor<float, 16>>({checkpoint_at("", strategy::each{})});
    CHECK(each.recompute == 0);
    CHECK(each.kept_bytes == none.kept_bytes);
    CHECK(each.activation_bytes == none.activation_bytes);
  };
  check(links<nn::relu>{});
  check(links<nn::tanh>{});
  check(links<nn::sigmoid>{});
}

TEST_CASE("policies by kind and by name keep what they say") {
  const auto none = planned<images, image>({});
  const auto convolutions = chain(remat::save_only<kind<"conv2d">>{});
  CHECK(again(convolutions, "conv2d") == 0);
  CHECK(again(convolutions, "dropout") == 9);
  CHECK(convolutions.kept_bytes < none.kept_bytes);
  CHECK(convolutions.kept_bytes == chain(remat::save_only<nn::conv2d<1, 1, 1>>{}).kept_bytes);  // whatever the sizes

  const auto cheap = chain(remat::recompute_only<kind<"dropout">, kind<"batch_norm2d">>{});
  CHECK(again(cheap, "conv2d") == 0);
  CHECK(again(cheap, "dropout") == 9);

  const auto named = chain(remat::save_named<"last">{});
  CHECK(again(named, "last") == 0);
  CHECK(again(named, "conv conv2d") == 9);
  // A container's name is that of its last operation.
  using deep = remat::sequential<remat::named<"b", remat::sequential<nn::linear<16, 16>, nn::dropout<>>>,
                                 nn::linear<16, 16>, nn::dropout<>, nn::linear<16, 5>, nn::log_softmax>;
  const auto by_container =
      planned<deep, remat::tensor<float, 16>>({checkpoint_at("", strategy::contiguous{}, remat::save_named<"b">{})});
  CHECK(again(by_container, "b.") == 0);
  CHECK(again(by_container, "1 linear") == 1);
}

TEST_CASE("chain policies keep what passes between segments, and recompute all but the last") {
  const auto threes = chain(remat::every<3>{}), roots = chain(remat::square_root{});
  CHECK(threes.kept_bytes == roots.kept_bytes);  // 9 links
  CHECK(again(threes, "chain.0") > 0);
  CHECK(again(threes, "chain.5") > 0);
  CHECK(again(threes, "chain.6") == 0);
  const auto groups = planned<images, image>({checkpoint_at("chain", strategy::group<3>{})});
  CHECK(again(groups, "chain.6") > 0);
  CHECK(groups.kept_bytes < threes.kept_bytes);
  CHECK(groups.activation_bytes <= threes.activation_bytes);
  CHECK(threes.activation_bytes < planned<images, image>({}).activation_bytes);
  CHECK_THROWS_WITH((planned<images, image>({checkpoint_at("0", strategy::contiguous{}, remat::square_root{})})),
                    Catch::Matchers::Contains("is no sequential"));
}

TEST_CASE("a segment is computed again piece by piece where its policy keeps something inside") {
  // Kept convolutions cut the segment into pieces: not all of it is there at once.
  using deep =
      remat::sequential<nn::conv2d<1, 4, 3, nn::window{.padding = 1}>, remat::named<"chain", remat::repeat<12, block>>,
                        nn::flatten, nn::linear<256, 5>, nn::log_softmax>;
  const auto all = planned<deep, image>({checkpoint_at("chain")});
  const auto some =
      planned<deep, image>({checkpoint_at("chain", strategy::contiguous{}, remat::save_only<kind<"conv2d">>{})});
  CHECK(some.activation_bytes < all.activation_bytes);
}

TEST_CASE("both halves of backward at once are one call") {
  using net = remat::sequential<nn::conv2d<1, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>, nn::flatten,
                                nn::linear<256, 5>, nn::log_softmax>;
  // One of the convolution, the batch norm, flatten, log_softmax and the loss each, two of the linear layer.
  CHECK(planned<net, image>({}).backward == 7);
}

TEST_CASE("a batch norm whose statistics alone are needed again writes no output") {
  using residual =
      remat::residual<remat::sequential<nn::conv2d<4, 4, 3, nn::window{.padding = 1}>, nn::batch_norm2d<4>, nn::relu>>;
  using net = remat::sequential<nn::conv2d<1, 4, 3, nn::window{.padding = 1}>, remat::checkpoint<residual>, nn::flatten,
                                nn::linear<256, 5>, nn::log_softmax>;
  const remat::program p = remat::fuse(remat::lower<net, image, nn::nll_loss>());
  const remat::plan made = remat::plan_training(p, 8);
  std::size_t again = 0;
  for (const remat::action& a : made.steps.actions) {
    if (a.kind != remat::action_kind::recompute || p.operations[a.operation].kind != "batch_norm2d") continue;
    ++again;
    CHECK(a.outputs[0] == remat::core::none);
  }
  CHECK(again == 1);
}

}  // namespace policies_tests
