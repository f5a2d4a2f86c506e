// SPDX-License-Identifier: MIT
// Budgets: plans are within their bytes, the fastest that an exhaustive search finds on small programs, and of the same
// bits.
#include "random_chains.hpp"
#include "same_bits.hpp"

#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace budget_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using random_chains::maker, random_chains::peculiarity, random_chains::ranges;
using remat::budget, remat::checkpoint_at;

struct point {
  std::size_t bytes;
  double again;
};
double fastest(const std::vector<point>& all, std::size_t bytes) {
  double found = std::numeric_limits<double>::infinity();
  for (const point& each : all)
    if (each.bytes <= bytes) found = std::min(found, each.again);
  return found;
}

/// The search finds what an exhaustive one over all nested segments does, with as many bytes as any of these takes.
void check_exact(unsigned seed, int operations, bool has_skips, peculiarity some = peculiarity::nothing) {
  maker make(seed);
  const remat::program p = make.chain(make.pick(1, operations + 1), has_skips, {budget{}}, some);
  const remat::plan_request request{.batch = 1, .bytes = 1};
  const remat::detail::training_planner planner(p, request);
  const auto point_of = [&](const remat::core::list<remat::chosen_range>& chosen) {
    remat::plan made = planner.with_segments(chosen);
    planner.write_tape(made);
    return point{remat::live_maximum(made.steps), remat::detail::recomputation_cost(p, made, nullptr)};
  };
  std::vector<ranges> trees;
  random_chains::each_tree(p, 0, p.operations.count() - 1, true, {}, trees);
  std::vector<point> all, found;
  for (const ranges& tree : trees) {
    remat::core::list<remat::chosen_range> chosen;
    for (const remat::chosen_range& each : tree) chosen.push_back(each);
    all.push_back(point_of(chosen));
  }
  const remat::plan kept = planner.make();
  found.push_back({kept.live_bytes, 0});
  remat::detail::budget_search search(planner, p, request);
  for (const auto& each : search.find_candidates(kept.live_bytes)) found.push_back(point_of(each.ranges));
  INFO("seed " << seed);
  std::map<std::size_t, double> best;  // of each number of bytes that some tree takes
  for (const point& each : all) {
    const auto at = best.try_emplace(each.bytes, each.again).first;
    at->second = std::min(at->second, each.again);
  }
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [bytes, again] : best) {
    least = std::min(least, again);
    REQUIRE(fastest(found, bytes) == least);
  }
}

TEST_CASE("of chains of unequal links, a budget's plan is the fastest of all persistent ones") {
  for (unsigned seed = 0; seed < 1'000; ++seed) check_exact(seed, 4, false);
}
TEST_CASE("of programs with long skips, too") {
  for (unsigned seed = 0; seed < 500; ++seed) check_exact(seed, 4, true);
  check_exact(884, 5, true);  // what stays for a segment is not computed again on the way to one inside
  for (const unsigned seed : {783u, 1339u, 2245u}) check_exact(seed, 6, true);
}
TEST_CASE("of programs with operations in place, over their inputs, without outputs, and with late inputs, too") {
  for (int some = 1; some <= static_cast<int>(peculiarity::all); ++some) {
    INFO("peculiarity " << some);
    for (unsigned seed = 0; seed < 200; ++seed) check_exact(seed, 4, seed % 2 == 0, static_cast<peculiarity>(some));
  }
}
TEST_CASE("of longer chains and programs, too", "[long]") {
  for (unsigned seed = 0; seed < 2'000; ++seed) check_exact(seed, 7, false);
  for (unsigned seed = 0; seed < 3'000; ++seed) check_exact(seed, 5, true);
  for (unsigned seed = 0; seed < 1'500; ++seed) check_exact(seed, 6, true);
  for (int some = 1; some <= static_cast<int>(peculiarity::all); ++some)
    for (unsigned seed = 0; seed < 2'000; ++seed) check_exact(seed, 5, true, static_cast<peculiarity>(some));
}

using layer = remat::residual<remat::sequential<nn::linear<32, 32>, nn::tanh, nn::layer_norm<32>, nn::dropout<0.1>>>;
using chain = remat::repeat<6, layer>;
template <class Chain>
using net = remat::sequential<nn::linear<32, 32>, remat::named<"h", Chain>, nn::linear<32, 4>, nn::log_softmax>;
template <class Chain>
using model = remat::model<net<Chain>, remat::tensor<float, 32>, nn::nll_loss>;
constexpr std::size_t batch = 16;

model<chain> with(std::vector<checkpoint_at> checkpoints) {
  return model<chain>{{.seed = 4, .threads = 1, .checkpoints = std::move(checkpoints)}};
}
/// The losses and gradients of two steps.
std::vector<float> train(auto& m) {
  std::vector<float> x(batch * 32);
  std::iota(x.begin(), x.end(), -250.0f);
  for (float& each : x) each /= 200;
  std::vector<std::int32_t> y(batch);
  for (std::size_t i = 0; i < batch; ++i) y[i] = static_cast<std::int32_t>(i % 4);
  remat::sgd optimizer{{.learning_rate = 0.1f}};
  std::vector<float> bits;
  for (int step = 0; step < 2; ++step) {
    bits.push_back(m.train_step(x, y));
    for (const remat::parameter_view& p : m.parameters()) bits.insert(bits.end(), p.gradient.begin(), p.gradient.end());
    optimizer.step(m);
  }
  return bits;
}

TEST_CASE("within its bytes, of the same bits, and more bytes never take longer") {
  auto plain = with({});
  const std::vector<float> expected = train(plain);
  const std::size_t most = plain.plan(batch).activation_bytes;
  double share_before = 0;
  int feasible = 0, distinct = 0;
  for (int k = 40; k > 0; --k) {
    const std::size_t bytes = most * static_cast<std::size_t>(k) / 40;
    for (const char* path : {"", "h"}) {
      auto m = with({checkpoint_at(path, budget{bytes})});
      try {
        const remat::plan_report planned = m.plan(batch);
        CHECK(planned.activation_bytes <= bytes);
        if (path[0] == '\0') {
          ++feasible;
          CHECK(planned.recompute_share >= share_before);
          if (planned.recompute_share > share_before) ++distinct;
          share_before = planned.recompute_share;
        }
      } catch (const remat::error& e) {
        CHECK_THAT(e.what(), Contains("the smallest with which a step fits is"));
        continue;
      }
      if (k % 4 != 0) continue;
      CHECK(same_bits(train(m), expected));
      CHECK(m.reserved().activations == m.plan(batch).activation_bytes);
    }
  }
  CHECK(feasible > 15);
  CHECK(distinct > 8);
}

TEST_CASE("a budget of a module that computes nothing by itself is refused, and one that is also elsewhere is not") {
  using fused = remat::sequential<nn::linear<8, 8>, remat::named<"act", nn::relu>, nn::linear<8, 4>>;
  using own = remat::model<fused, remat::tensor<float, 8>, nn::cross_entropy>;
  const auto at = [](const char* path) { return own{{.threads = 1, .checkpoints = {checkpoint_at(path, budget{1})}}}; };
  CHECK_THROWS_WITH(at("act"), Contains("the budget of 'act' limits nothing"));
  CHECK_THROWS_WITH(at("0").plan(4), Contains("a budget of 1 byte"));
  CHECK_THROWS_WITH(at("*").plan(4), Contains("a budget of 1 byte"));
}

TEST_CASE("a budget next to what waits on a disk, or is kept, has the bytes that it says") {
  for (const bool waits : {false, true}) {
    const remat::storage_setting where =
        waits ? remat::storage_setting(remat::offload<remat::file>{.window = {.least_bytes = 1}, .rate = {1e9, 1e9}})
              : remat::storage_setting();
    const auto plan_within = [&](std::size_t bytes) {
      return with({checkpoint_at("h", budget{bytes}), checkpoint_at("0", remat::save_all{}, where)})
          .plan(batch)
          .activation_bytes;
    };
    const std::size_t most = plan_within(1'000'000'000);
    std::size_t smallest = 0;
    try {
      plan_within(1);
    } catch (const remat::budget_error& e) {
      smallest = e.smallest();
    }
    INFO("of " << most << " bytes, at least " << smallest);
    REQUIRE((0 < smallest && smallest < most));
    CHECK(plan_within(smallest) == smallest);
    const std::size_t between = (smallest + most) / 2;
    CHECK(plan_within(between) <= between);
  }
}

TEST_CASE("a budget that is too small names the smallest one, with which a step fits") {
  try {
    with({checkpoint_at("", budget{1'000})}).plan(batch);
    FAIL("1000 bytes are not enough");
  } catch (const remat::budget_error& e) {
    const std::size_t smallest = e.smallest();
    CHECK_THAT(e.what(), Catch::Matchers::EndsWith(" " + std::to_string(smallest)));
    CHECK(with({checkpoint_at("", budget{smallest})}).plan(batch).activation_bytes == smallest);
    CHECK_THROWS_AS(with({checkpoint_at("", budget{smallest - 1})}).plan(batch), remat::budget_error);
  }
}

TEST_CASE("a share of save_all's bytes, and the model's own number, are budgets") {
  const std::size_t most = with({}).plan(batch).activation_bytes;
  const auto half = with({checkpoint_at("", budget{remat::share_of_save_all(0.5)})}).plan(batch);
  CHECK(half.activation_bytes <= most / 2);
  CHECK(half.recompute > 0);
  CHECK(half.recomputed == with({checkpoint_at("", budget{most / 2})}).plan(batch).recomputed);
  const model<chain> told{{.threads = 1, .checkpoints = {checkpoint_at("", budget{})}, .activation_bytes = most / 2}};
  CHECK(told.plan(batch).recomputed == half.recomputed);
  const model<remat::checkpoint<chain, budget<>>> told_by_type{{.threads = 1, .activation_bytes = most / 2}};
  CHECK(told_by_type.plan(batch).recomputed == with({checkpoint_at("h", budget{most / 2})}).plan(batch).recomputed);
  CHECK_THROWS_WITH((model<remat::checkpoint<chain, budget<>>>{{.threads = 1}}.plan(batch)),
                    Contains("has no number of bytes"));
  CHECK_THROWS_WITH(with({checkpoint_at("", budget{})}).plan(batch), Contains("has no number of bytes"));
  CHECK_THROWS_WITH(remat::share_of_save_all(1.5), Contains("above 0 and up to 1"));
  CHECK_THROWS_WITH(budget(-1), Contains("at least 0"));
}

TEST_CASE("a tag is the same plan as its value, and nests in other checkpoints") {
  auto plain = with({});
  const std::vector<float> expected = train(plain);
  using remat::share_of_save_all;
  using tagged = remat::checkpoint<chain, budget<share_of_save_all(0.6)>>;
  model<tagged> tag{{.seed = 4, .threads = 1}};
  auto value = with({checkpoint_at("h", budget{share_of_save_all(0.6)})});
  CHECK(tag.plan(batch).recomputed == value.plan(batch).recomputed);
  CHECK(tag.plan(batch).recompute > 0);
  CHECK(same_bits(train(tag), expected));
  auto nested = with({checkpoint_at("", remat::recompute_all{}), checkpoint_at("h", budget{share_of_save_all(0.95)})});
  CHECK(nested.plan(batch).activation_bytes <= with({}).plan(batch).activation_bytes);
  CHECK(same_bits(train(nested), expected));
}

TEST_CASE("a budget counts where another checkpoint has just what it has") {
  const auto of = [](const checkpoint_at& given) { return with({given}).plan(batch); };
  const std::size_t bytes = of(checkpoint_at("h", budget{remat::share_of_save_all(0.6)})).activation_bytes;
  const auto alone = of(checkpoint_at("h", budget{bytes}));
  CHECK(alone.recompute > 0);
  CHECK(of(checkpoint_at("h").around(budget{bytes})).recomputed == alone.recomputed);
  CHECK(of(checkpoint_at("h", remat::save_all{}).around(budget{bytes})).recomputed == alone.recomputed);
  CHECK(of(checkpoint_at("h", budget{bytes}).around(remat::recompute_all{})).recomputed == alone.recomputed);
  CHECK_THROWS_AS(of(checkpoint_at("h").around(budget{1'000})), remat::budget_error);
  CHECK(of(checkpoint_at("h", budget{2 * bytes}).around(budget{bytes})).recomputed == alone.recomputed);
  CHECK_THROWS_AS(of(checkpoint_at("h", budget{bytes}).around(budget{1'000})), remat::budget_error);
  using tagged = remat::checkpoint<remat::checkpoint<chain, budget<1'000>>>;
  CHECK_THROWS_AS((model<tagged>{{.threads = 1}}.plan(batch)), remat::budget_error);
}

namespace next_to_others {

using part =
    remat::sequential<nn::linear<64, 64>, nn::gelu, nn::linear<64, 64>, nn::gelu, nn::linear<64, 64>, nn::gelu>;
using net = remat::sequential<remat::named<"a", remat::sequential<remat::named<"x", part>, remat::named<"y", part>>>,
                              remat::named<"b", part>, remat::named<"c", part>>;

remat::plan planned(const std::vector<checkpoint_at>& given, std::optional<remat::certificate>& certificate) {
  remat::program p = remat::lower<net, remat::tensor<float, 64>, nn::mse_loss>();
  remat::annotate(p, given);
  p = remat::fuse(std::move(p));
  remat::plan made = remat::plan_training(p, 16);
  certificate = remat::certify(p, {.batch = 16}, made);
  return made;
}

TEST_CASE("a budget next to other checkpoints fits in what dropping all of it takes, and its certificate holds") {
  constexpr std::size_t most = std::size_t{1} << 40;  // the lowest limit counts
  const std::vector<std::vector<checkpoint_at>> others{
      {checkpoint_at("a")},
      {checkpoint_at("b")},
      {checkpoint_at("c")},
      {checkpoint_at("a", remat::strategy::group<1>{})},
      {checkpoint_at("a"), checkpoint_at("c")},
      {checkpoint_at("a.x"), checkpoint_at("a.y"), checkpoint_at("c", remat::strategy::each{})},
      {checkpoint_at("a"), checkpoint_at("a.x", budget{most})},
      {checkpoint_at("a"), checkpoint_at("a.y", budget{most}), checkpoint_at("c")}};
  int planned_budgets = 0;
  for (std::size_t k = 0; k < others.size(); ++k)
    for (const char* path : {"a.x", "b", "c"}) {
      const bool is_free = std::ranges::none_of(others[k], [&](const checkpoint_at& each) {
        return std::string(path).starts_with(each.path) || each.path == path;
      });
      if (!is_free) continue;
      std::optional<remat::certificate> certificate;
      const auto with = [&](checkpoint_at one) {
        std::vector<checkpoint_at> all = others[k];
        all.push_back(std::move(one));
        return planned(all, certificate);
      };
      const std::size_t dropped = with(checkpoint_at(path)).activation_bytes,
                        kept = with(checkpoint_at(path, remat::save_all{})).activation_bytes;
      double before = std::numeric_limits<double>::infinity();
      for (int step = 0; step <= 4; ++step) {
        const std::size_t bytes =
            std::min(dropped, kept) + (std::max(dropped, kept) - std::min(dropped, kept)) / 4 * step;
        INFO("others " << k << ", a budget of " << bytes << " bytes at " << path << "; dropped it takes " << dropped
                       << ", kept " << kept);
        const remat::plan made = with(checkpoint_at(path, budget{bytes}));
        CHECK(made.activation_bytes <= bytes);
        REQUIRE(certificate);
        CHECK(certificate->lower_bound() <= certificate->time.sum() * (1 + 1e-12));
        CHECK(certificate->time.recomputed <= before * (1 + 1e-12));
        before = certificate->time.recomputed;
        ++planned_budgets;
      }
    }
  CHECK(planned_budgets > 50);
}

}  // namespace next_to_others

}  // namespace budget_tests
