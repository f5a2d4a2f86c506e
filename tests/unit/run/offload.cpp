// SPDX-License-Identifier: MIT
// Activations that wait in a file: the same bits, the planned bytes, and the transfers of a plan.
#include "offloaded.hpp"

#include <remat/check/plan_checker.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace offload_tests {

namespace nn = remat::nn;
using namespace offloaded;
using remat::action_kind, remat::checkpoint_at, remat::offload;

std::size_t count_in_step(const remat::network& m, action_kind kind) {
  return count(remat::plan_training(m.lowered(), batch), kind);
}

TEST_CASE("what waits in a file takes a fraction of the arena, and changes no bit", "[once]") {
  const data d;
  for (const std::size_t microbatches : {std::size_t{1}, std::size_t{4}}) {
    model kept{{.seed = 2, .threads = 2, .checkpoints = remat::checkpoints::none(), .microbatches = microbatches}};
    remat::adamw with_kept;
    for (int i = 0; i < 3; ++i) kept.train_step(d.x, d.y, with_kept);
    for (const int ahead : {0, 1, 3})
      for (const int after : {0, 1, 3}) {
        INFO(microbatches << " micro-batches, window " << ahead << " " << after);
        model m{{.seed = 2,
                 .threads = 2,
                 .checkpoints = everything({.window = {.read_ahead = ahead, .write_behind = after}}),
                 .microbatches = microbatches}};
        remat::adamw optimizer;
        for (int i = 0; i < 3; ++i) m.train_step(d.x, d.y, optimizer);
        CHECK((bits_of(m) == bits_of(kept)));
        CHECK(count_in_step(m, action_kind::begin_write) > 8);
        CHECK(m.reserved().activations < kept.reserved().activations * (ahead + after > 4 ? 3 : 2) / 4);
        CHECK(m.memory().gradients_needed_for.find("may fail") != std::string::npos);
      }
  }
}

TEST_CASE("the planned bytes are the used bytes, and a peak is known to the compiler") {
  const data d;
  model m{{.seed = 2, .checkpoints = everything()}};
  CHECK(audit(m, d.x, d.y).holds());
  model without_small_ones{
      {.seed = 2, .checkpoints = {checkpoint_at("", remat::save_all{}, offload{remat::temporary_directory()})}}};
  CHECK(audit(without_small_ones, d.x, d.y).holds());
  const remat::plan made = remat::plan_training(without_small_ones.lowered(), batch);
  CHECK(made.steps.alignment == remat::transfer_alignment);
  for (const remat::action& a : made.steps.actions)
    if (a.kind == action_kind::begin_write)
      CHECK(made.steps.buffers[a.inputs[0]].offset % remat::transfer_alignment == 0);
  CHECK(check_plan(without_small_ones.lowered(), made).fault == "");
  const remat::plan_report report = m.plan(batch);
  CHECK(report.needs_gradient_block);
  CHECK(report.outside_bytes > 3 * report.kept_bytes);
  using stored = remat::checkpoint<net, remat::save_all, offload<remat::file>>;
  constexpr std::size_t peak = remat::peak_activation_bytes<stored, input, nn::cross_entropy>(64);
  static_assert(peak < remat::peak_activation_bytes<net, input, nn::cross_entropy>(64) / 2);
  CHECK(remat::plan_training(remat::fuse(remat::lower<stored, input, nn::cross_entropy>()), 64).activation_bytes ==
        peak);
}

TEST_CASE("every transfer is begun and finished once, in order, and what is under way is nobody's") {
  for (const int ahead : {0, 1, 2, 5})
    for (const int after : {0, 1, 2, 5}) {
      remat::program p = remat::fuse(remat::lower<net, input, nn::cross_entropy>());
      annotate(p, everything({.window = {.read_ahead = ahead, .write_behind = after}}));
      const remat::plan made = remat::plan_training(p, batch);
      int written = 0, read = 0;  // under way
      std::size_t writes = 0;
      std::vector<int> state(made.steps.buffers.size());  // of stored buffers
      for (int i = 0; i < made.steps.actions.count(); ++i) {
        const remat::action& a = made.steps.actions[i];
        if (a.kind < action_kind::begin_write || a.kind > action_kind::finish_read) continue;
        const bool is_write = a.kind <= action_kind::finish_write;
        const auto stored = static_cast<std::size_t>(is_write ? a.outputs[0] : a.inputs[0]);
        const remat::buffer& memory = made.steps.buffers[is_write ? a.inputs[0] : a.outputs[0]];
        CHECK(state[stored]++ == static_cast<int>(a.kind) - static_cast<int>(action_kind::begin_write));
        CHECK(memory.first <= i);
        CHECK(i <= memory.last);
        (is_write ? written : read) += a.kind == action_kind::begin_write || a.kind == action_kind::begin_read ? 1 : -1;
        CHECK(written <= std::max(after, 1));
        CHECK(read <= ahead + 1);
        CHECK((made.steps.section_of(i) == remat::forward_section) == is_write);
        if (a.kind == action_kind::begin_write) ++writes;
      }
      CHECK(writes > 8);
      const remat::plan_check found = check_plan(p, made);
      CHECK(found.fault == "");
      CHECK(static_cast<std::size_t>(std::ranges::count(state, 4)) == writes);
      CHECK(static_cast<std::size_t>(std::ranges::count(state, 0)) == state.size() - writes);
    }
}

}  // namespace offload_tests
