// SPDX-License-Identifier: MIT
// One model on many ranks gives the bits of one process at the same micro-batches, whatever the schedule, the policy and
// the way gradients are summed: losses, gradients, parameters and states after three steps of momentum SGD.
#include "session.hpp"

#include <networks/networks.hpp>
#include <networks/policies.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace {

using remat::action_kind, remat::checkpoint_at;
namespace strategy = remat::strategy;

struct schedule {
  const char* name;
  remat::pipeline_schedule value;
};
const std::vector<schedule>& schedules() {
  static const std::vector<schedule> all = {{"gpipe", remat::schedule::gpipe},
                                            {"one_f_one_b", remat::schedule::one_f_one_b},
                                            {"interleaved<2>", remat::schedule::interleaved<2>}};
  return all;
}

struct policy {
  const char* name;
  std::vector<checkpoint_at> (*checkpoints)(const networks::network&);
  bool recomputes = true;
};
const policy policies[] = {
    {"save_all", [](const networks::network&) { return std::vector<checkpoint_at>{}; }, false},
    {"each", [](const networks::network& n) { return std::vector{checkpoint_at(n.chain, strategy::each{})}; }},
    {"contiguous",
     [](const networks::network& n) { return std::vector{checkpoint_at(n.chain, strategy::contiguous{})}; }},
    {"square_root", [](const networks::network& n) {
       return std::vector{checkpoint_at(n.chain, strategy::contiguous{}, remat::square_root{})};
     }}};

/// What must be the same bits, of the parameters and states that a rank holds.
struct bits {
  std::string name;
  std::vector<float> values, gradient;
};

bool is_same(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

struct outcome {
  std::vector<float> losses;
  std::vector<bits> parameters, states;
};

template <class Model>
outcome train(const networks::network& n, Model& model, std::size_t samples) {
  outcome made;
  remat::sgd optimizer{{.learning_rate = 0.02f, .momentum = 0.9f}};
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto data = networks::random_batch(n, model.lowered(), samples, step);
    std::vector<remat::source> sources;
    for (const networks::values& each : data) sources.push_back(networks::source_of(each));
    made.losses.push_back(model.train_on(sources));
    optimizer.step(model);
  }
  for (const remat::parameter_view& p : model.parameters())
    made.parameters.push_back({p.name, {p.values.begin(), p.values.end()}, {p.gradient.begin(), p.gradient.end()}});
  for (const remat::state_view& s : model.states())
    made.states.push_back({s.name, {s.values.begin(), s.values.end()}, {}});
  return made;
}

bool are_same(const std::vector<bits>& here, const std::vector<bits>& expected) {
  return std::ranges::all_of(here, [&](const bits& mine) {
    const auto found = std::ranges::find(expected, mine.name, &bits::name);
    return found != expected.end() && is_same(mine.values, found->values) && is_same(mine.gradient, found->gradient);
  });
}

std::size_t largest_of_ranks(std::size_t number) {
  std::vector<std::uint64_t> all{number};
  remat::mpi::request r = session().world().largest(all);
  remat::mpi::wait_until({true}, [&] { return r.is_done(); });
  return all[0];
}

}  // namespace

TEST_CASE("every schedule, policy and way to sum gradients gives the bits of one process") {
  remat::silence_warning(remat::warning_names::skipped_checkpoint);
  const std::size_t ranks = static_cast<std::size_t>(session().size());
  const std::size_t micro_batches = ranks == 3 ? 6 : 4;
  std::size_t cells = 0, recomputing = 0;
  for (const char* name :
       {"example_01", "unet", "tied", "resnet", "masked", "nested", "two_inputs", "branches", "sequence"}) {
    const networks::network& n = networks::named(name);
    const std::size_t samples = n.micro_batch * micro_batches;
    remat::network one =
        networks::make(n, {.seed = 3, .threads = 1, .checkpoints = {{}}, .micro_batches = micro_batches});
    const outcome expected = train(n, one, samples);
    for (const schedule& s : schedules())
      for (const policy& p : policies)
        for (const auto sum : {remat::allreduce::overlapped, remat::allreduce::after}) {
          INFO(name << ", " << s.name << ", " << p.name << ", "
                    << (sum == remat::allreduce::after ? "after" : "overlapped"));
          if (s.value.stages(static_cast<int>(ranks)) > one.lowered().operations.count()) continue;
          remat::distributed_network model(session(), n.lower(),
                                           {.seed = 3,
                                            .threads = 1,
                                            .checkpoints = p.checkpoints(n),
                                            .frozen = n.frozen,
                                            .microbatches = micro_batches,
                                            .schedule = s.value,
                                            .allreduce = sum,
                                            .logs_partition = false});
          if (n.start != nullptr) n.start(model);
          const outcome found = train(n, model, samples);
          CHECK(is_same(found.losses, expected.losses));
          CHECK(are_same(found.parameters, expected.parameters));
          CHECK(are_same(found.states, expected.states));
          const remat::pipeline& line = model.last_pipeline();
          for (std::size_t kind = 0; kind < remat::action_kinds; ++kind)
            if (static_cast<action_kind>(kind) != action_kind::pack)
              CHECK(line.executed(static_cast<action_kind>(kind)) ==
                    line.planned_count(static_cast<action_kind>(kind)));
          ++cells;
          recomputing += largest_of_ranks(line.executed(action_kind::recompute)) > 0 ? 1u : 0u;
          if (!p.recomputes) CHECK(line.executed(action_kind::recompute) == 0);
        }
  }
  if (session().rank() == 0) WARN(cells << " cells on " << ranks << " ranks, " << recomputing << " recompute");
  CHECK(cells > 100);
  CHECK(recomputing > cells / 4);
}
