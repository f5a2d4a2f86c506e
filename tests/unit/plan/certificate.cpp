// SPDX-License-Identifier: MIT
// Certificates of plans with budgets: what a step takes, what no persistent schedule can beat, and where memory is
// lost.
#include "random_chains.hpp"

#include <remat/plan/certify.hpp>
#include <remat/plan/report.hpp>
#include <remat/remat.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <sstream>

namespace certificate_tests {

namespace nn = remat::nn;
using Catch::Matchers::Contains;
using random_chains::maker, random_chains::peculiarity, random_chains::ranges;

/// The least that any nested segments compute again within the bytes, alive at once.
double least_recomputed(const remat::program& p, std::size_t bytes) {
  const remat::plan_request request{.batch = 1, .bytes = bytes};
  const remat::detail::training_planner planner(p, request);
  std::vector<ranges> trees;
  random_chains::each_tree(p, 0, p.operations.count() - 1, true, {}, trees);
  double least = std::numeric_limits<double>::infinity();
  for (const ranges& tree : trees) {
    remat::core::list<remat::chosen_range> chosen;
    for (const remat::chosen_range& each : tree) chosen.push_back(each);
    remat::plan made = planner.with_segments(chosen);
    planner.write_tape(made);
    if (remat::live_maximum(made.steps) <= bytes)
      least = std::min(least, remat::detail::recomputation_cost(p, made, nullptr));
  }
  return least;
}

/// At some budgets of a random program: the bound is at most the best schedule's, and is reached where no memory is
/// lost.
void check_bound(unsigned seed, int operations, bool has_skips, int& certified, int& lost,
                 peculiarity some = peculiarity::nothing) {
  maker make(seed);
  remat::program p = make.chain(make.pick(2, operations + 1), has_skips, {remat::budget{}}, some);
  const std::size_t most = remat::plan_training(p, {.batch = 1, .bytes = 1'000'000}).live_bytes;
  remat::certifier certifier(p, {.batch = 1, .bytes = most});
  for (std::size_t bytes = most; bytes > most / 3; bytes -= 2 * remat::alignment) {
    std::optional<remat::plan> made;
    try {
      made = remat::plan_training(p, {.batch = 1, .bytes = bytes});
    } catch (const remat::error&) {
      break;
    }
    const remat::certificate c = certifier.certify(*made, bytes);
    INFO("seed " << seed << ", " << bytes << " bytes");
    const double best = least_recomputed(p, bytes);
    CHECK(c.least_recomputed == best);
    CHECK(c.time.recomputed >= best);
    ++certified;
    if (c.lost_to_placement > 0) ++lost;
    CHECK(c.time.recomputed == best + c.lost_to_placement);
    CHECK((c.gap() == 0) == (c.time.recomputed == best));
  }
}

TEST_CASE(
    "of chains and programs with skips, the bound is what an exhaustive search finds, and the gap is what placement "
    "loses") {
  int certified = 0, lost = 0;
  for (unsigned seed = 0; seed < 150; ++seed) check_bound(seed, 5, seed % 2 == 0, certified, lost);
  WARN(certified << " certificates, " << lost << " of plans that lose time to placement");
  CHECK(certified > 400);
}
TEST_CASE("the bound is exact for operations in place, over their inputs, without outputs, and with late inputs, too") {
  int certified = 0, lost = 0;
  for (int some = 1; some <= static_cast<int>(peculiarity::all); ++some)
    for (unsigned seed = 0; seed < 60; ++seed)
      check_bound(seed, 4, seed % 2 == 0, certified, lost, static_cast<peculiarity>(some));
  WARN(certified << " certificates, " << lost << " of plans that lose time to placement");
  CHECK(certified > 1'000);
}

using layer = remat::residual<remat::sequential<nn::linear<32, 32>, nn::tanh, nn::layer_norm<32>, nn::dropout<0.1>>>;
using net = remat::sequential<nn::linear<32, 32>, remat::repeat<6, layer>, nn::linear<32, 4>, nn::log_softmax>;
constexpr std::size_t batch = 16;

TEST_CASE("the plan of a budget has its certificate, in values and in words") {
  const remat::model<net, remat::tensor<float, 32>, nn::nll_loss> plain{{.threads = 1}};
  CHECK_FALSE(plain.plan(batch).certificate);
  const remat::model<net, remat::tensor<float, 32>, nn::nll_loss> model{
      {.threads = 1, .checkpoints = {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(0.6)})}}};
  const remat::plan_report planned = model.plan(batch);
  REQUIRE(planned.certificate);
  const remat::certificate& c = *planned.certificate;
  CHECK(c.limit == static_cast<std::size_t>(0.6 * static_cast<double>(plain.plan(batch).activation_bytes)));
  CHECK(c.plan_bytes == planned.activation_bytes);
  CHECK(c.time.recomputed > 0);
  CHECK(c.time.recomputed / c.time.forward == Approx(planned.recompute_share));
  CHECK(c.least_recomputed <= c.time.recomputed);
  CHECK(c.least_recomputed > 0);
  CHECK(c.memory.placed_bytes == planned.activation_bytes);
  CHECK(c.memory.live_bytes == planned.live_bytes);
  std::ostringstream text;
  text << planned;
  for (const char* part : {"budget ", "predicted time", "lower bound", "the gap is", "fragmentation"})
    CHECK_THAT(text.str(), Contains(part));
}

TEST_CASE("measured costs give a certificate in seconds, of the batch that is planned") {
  remat::model<net, remat::tensor<float, 32>, nn::nll_loss> model{{.threads = 1}};
  remat::operation_costs costs = remat::counted_seconds(model.lowered(), 2 * batch, 1e9);
  const remat::model<net, remat::tensor<float, 32>, nn::nll_loss> told{
      {.threads = 1,
       .checkpoints = {remat::checkpoint_at("", remat::budget{remat::share_of_save_all(0.6)})},
       .costs = costs}};
  const remat::certificate measured = *told.plan(batch).certificate;
  CHECK(measured.is_measured);
  double forward = 0;
  for (const auto& each : costs.operations) forward += each.forward;
  CHECK(measured.time.forward == Approx(forward / 2));
  CHECK(measured.least_recomputed <= measured.time.recomputed);
  std::ostringstream text;
  text << measured;
  CHECK_THAT(text.str(), Contains(" us"));
}

}  // namespace certificate_tests
