// SPDX-License-Identifier: MIT
// Programs cut into stages: the plans of the stages, run next to each other with several micro-batches in flight,
// give the bits of the whole program's plan.
#include <remat/check/plan_checker.hpp>
#include <remat/plan/plan.hpp>
#include <remat/run/arena.hpp>
#include <remat/run/executor.hpp>

#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "random_programs.hpp"

#include <map>
#include <tuple>
#include <vector>

namespace stages_tests {

using namespace random_programs;
using remat::action_kind, remat::plan;

/// What is on its way from one stage to another: (tensor, is a gradient, to which stage, micro-batch).
using mailbox = std::map<std::tuple<int, bool, int, int>, std::vector<std::byte>>;

/// A stage with memory of its own for each micro-batch.
class stage : public remat::exchange {
 public:
  stage(const program& p, int number, std::size_t batch, int microbatches, bool halves, remat::parameter_store& store,
        mailbox& mail)
      : number_(number), mail_(mail) {
    remat::slice covered = remat::slice_of_stage(p, number, microbatches, microbatches > 1);
    covered.halves_backward = halves;
    const plan made = remat::plan_training(p, batch, covered);
    RC_ASSERT(remat::check_plan(p, made).fault == "");
    for (bool accumulates : {false, true})
      executors_.emplace_back(p, made, store, remat::kernel_options{.accumulates = accumulates});
    passing_ = remat::memory_block(made.passing_bytes);
    for (int m = 0; m < microbatches; ++m) {
      std::vector<remat::memory_block>& mine = memory_.emplace_back();
      for (const remat::plan_region& each : made.regions) mine.emplace_back(each.is_passing ? 0 : each.bytes);
    }
  }

  const plan& planned() const { return executors_[0].planned(); }

  void run(int microbatch, std::span<const remat::tensor_source> sources, std::span<const std::span<std::byte>> results,
           int section, float share) {
    microbatch_ = microbatch;
    remat::executor& e = executors_[microbatch > 0];
    const auto& mine = memory_[static_cast<std::size_t>(microbatch)];
    std::vector<std::byte*> regions;
    for (std::size_t r = 0; r < mine.size(); ++r)
      regions.push_back(planned().regions[r].is_passing ? passing_.data() : mine[r].data());
    e.bind(regions, nullptr, nullptr);
    e.run({.seed = 7, .number = 3, .microbatch = static_cast<std::uint32_t>(microbatch), .share = share, .ports = this},
          sources, results, section);
  }

  void receive(int k) override {
    const remat::stage_port& here = planned().ports[k];
    const auto found = mail_.find({here.tensor, here.is_gradient, number_, microbatch_});
    RC_ASSERT(found != mail_.end());
    std::ranges::copy(found->second, at(k).begin());
    mail_.erase(found);
  }
  void send(int k) override {
    const remat::stage_port& here = planned().ports[k];
    for (int to : here.to) mail_[{here.tensor, here.is_gradient, to, microbatch_}].assign(at(k).begin(), at(k).end());
  }
  void after(int) override {}

 private:
  std::span<std::byte> at(int k) {
    return memory_[static_cast<std::size_t>(microbatch_)][static_cast<std::size_t>(planned().region_of_port(k))]
        .bytes();
  }

  int number_;
  mailbox& mail_;
  std::vector<remat::executor> executors_;
  std::vector<std::vector<remat::memory_block>> memory_;
  remat::memory_block passing_;
  int microbatch_ = 0;
};

struct outcome {
  std::vector<float> losses;
  std::vector<std::byte> gradients;

  bool operator==(const outcome&) const = default;
};

outcome run(const program& p, int stages, std::size_t batch, int microbatches, unsigned halves = 0) {
  remat::parameter_store store(p, 1);
  outcome made;
  made.losses.resize(static_cast<std::size_t>(microbatches));
  const float share = 1 / static_cast<float>(microbatches);
  mailbox mail;
  std::vector<std::vector<float>> inputs;
  for (int i = 0; i < p.inputs; ++i)
    for (int m = 0; m < microbatches; ++m)
      inputs.emplace_back(p.tensors[i].elements(batch), static_cast<float>(i + 10 * m) + 0.5f);
  const auto each = [&](int m, auto&& f) {
    std::vector<remat::tensor_source> sources;
    for (int i = 0; i < p.inputs; ++i)
      sources.push_back(remat::source_of(inputs[static_cast<std::size_t>(i * microbatches + m)]));
    const std::span<std::byte> loss = std::as_writable_bytes(std::span(&made.losses[static_cast<std::size_t>(m)], 1));
    f(sources, std::span(&loss, 1));
  };
  if (stages == 0) {
    const plan whole = remat::plan_training(p, batch);
    remat::memory_block memory(whole.activation_bytes);
    for (int m = 0; m < microbatches; ++m) {
      remat::executor e(p, whole, store, {.accumulates = m > 0});
      e.bind(memory.data(), nullptr);
      each(m, [&](auto& sources, auto results) {
        e.run({.seed = 7, .number = 3, .microbatch = static_cast<std::uint32_t>(m), .share = share}, sources, results);
      });
    }
  } else {
    std::vector<std::unique_ptr<stage>> all;
    for (int s = 0; s < stages; ++s)
      all.push_back(std::make_unique<stage>(p, s, batch, microbatches, (halves >> s & 1) != 0, store, mail));
    for (int m = 0; m < microbatches; ++m)
      for (auto& s : all)
        each(m, [&](auto& sources, auto results) { s->run(m, sources, results, remat::forward_section, share); });
    for (int m = 0; m < microbatches; ++m)
      for (std::size_t s = all.size(); s-- > 0;)
        each(m, [&](auto& sources, auto results) { all[s]->run(m, sources, results, remat::backward_section, share); });
    for (int m = 0; m < microbatches; ++m)
      for (auto& s : all)
        if (s->planned().covered.halves_backward)
          each(m, [&](auto& sources, auto results) { s->run(m, sources, results, remat::parameters_section, share); });
  }
  RC_ASSERT(mail.empty());
  const auto gradients = store.gradient_block();
  made.gradients.assign(gradients.begin(), gradients.end());
  return made;
}

void check_programs(int programs, int largest) {
  std::size_t ports = 0, recomputed = 0, chained = 0;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = programs;
  const auto result = rc::detail::checkTestable(
      [&] {
        random_program random = make_program(pick(2, largest));
        program& p = random.value;
        const int stages = pick(1, std::min(5, p.operations.count()) + 1);
        cut_into_stages(p, stages);
        // What the first operation makes is also read at the start of stages 1 and 2: its gradient passes through stage
        // 1.
        for (int i = 1, passed = 0; i < p.operations.count() && passed < 2; ++i)
          if (p.operations[i].stage > p.operations[i - 1].stage && p.tensors[p.operations[0].outputs[0]].per_sample) {
            read_too(random, i, p.operations[0].outputs[0]);
            ++passed;
          }
        program plain = p;
        add_checkpoints(p);
        p.inputs_enter_first = chance(30);
        const std::size_t batch = static_cast<std::size_t>(pick(1, 4));
        const int microbatches = pick(1, 5);
        const outcome expected = run(plain, 0, batch, microbatches);
        RC_ASSERT(run(p, stages, batch, microbatches) == expected);
        RC_ASSERT(run(p, stages, batch, microbatches, static_cast<unsigned>(pick(1, 32))) == expected);
        for (int s = 0; s < stages; ++s) {
          const plan made = remat::plan_training(p, batch, remat::slice_of_stage(p, s));
          recomputed += remat::count(made, action_kind::recompute);
          ports += made.ports.size();
          for (const remat::stage_port& each : made.ports)
            chained += each.is_gradient && each.sends() && each.receives() ? 1u : 0u;
        }
      },
      rc::detail::TestMetadata(), params);
  INFO(result);
  REQUIRE(result.template is<rc::detail::SuccessResult>());
  WARN(programs << " programs, " << ports << " ports, " << chained << " gradients that pass through a stage, "
                << recomputed << " recomputations");
  CHECK(ports > static_cast<std::size_t>(programs));
  CHECK(chained > static_cast<std::size_t>(programs) / 20);  // about a tenth, by the seed
  CHECK(recomputed > 0);
}

TEST_CASE("random programs in stages give the bits of one process") { check_programs(300, 30); }
TEST_CASE("longer random programs in stages give the bits of one process", "[long]") { check_programs(2'000, 120); }

}  // namespace stages_tests
