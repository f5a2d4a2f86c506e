// SPDX-License-Identifier: MIT
/// Policies by stage: what the checkpoints of a stage keep, instead of what they say.
///
///     .stage_policies = {remat::checkpoint_on_stage(0, remat::save_only<remat::kind<"conv2d">>{}),
///                        remat::checkpoint_on_stage(3, remat::save_all{})}               // no checkpoints there
///
/// Stages differ in memory: under one_f_one_b the first holds as many micro-batches as there are stages, the last holds
/// one. All checkpoints of the stage take the policy, wherever they are; their groups stay as they are, unless the
/// policy brings its own (`every<K>`). Automatic partitions count with the checkpoints as they were. Bits do not depend
/// on any of it.
#pragma once

#include <remat/core/error.hpp>
#include <remat/model/program.hpp>
#include <remat/plan/checkpoint_search.hpp>
#include <remat/plan/checkpoints.hpp>
#include <remat/plan/sought_words.hpp>

#include <string>
#include <utility>
#include <vector>

namespace remat {

struct checkpoint_on_stage {
  int stage;
  policy_setting policy;

  template <Policy P>
  checkpoint_on_stage(int number, P kept) : stage(number), policy(detail::checked_policy(std::move(kept))) {}
};

namespace detail {

/// Throws `error` where the policy is a budget and no checkpoint of the stage takes it, so that it would hold for
/// nothing.
inline void require_checkpoint(const program& p, const stage_policy& own) {
  if (!own.policy.has_budget()) return;
  segment_search search{p};
  search.run(own.stage);
  if (search.found.empty())
    throw error("stage " + std::to_string(own.stage) +
                " is given a budget, and has no checkpoint that could take it; give the model one, "
                "checkpoint_at(\"\", remat::budget{bytes}), or leave this out");
}

}  // namespace detail

/// Gives the stages of the program these policies. Throws `error` for a stage that it does not have or that is given
/// two, for a policy about kinds or names that the whole model does not have, and for a budget of a stage without
/// checkpoints.
inline void set_stage_policies(program& p, const std::vector<checkpoint_on_stage>& policies) {
  p.stage_policies.clear();
  const int stages = p.operations.empty() ? 0 : p.operations.back().stage + 1;
  for (const checkpoint_on_stage& each : policies) {
    if (each.stage < 0 || each.stage >= stages)
      throw error("there is no stage " + std::to_string(each.stage) +
                  " to give a policy to; this model has stages 0 to " + std::to_string(stages - 1));
    for (const stage_policy& known : p.stage_policies)
      if (known.stage == each.stage)
        throw error("stage " + std::to_string(each.stage) + " is given two policies; one is accepted");
    detail::require_words(p, {0}, each.policy, "the model");  // not the stage: one that has none keeps none
    p.stage_policies.push_back({each.stage, each.policy});
    detail::require_checkpoint(p, p.stage_policies.back());
  }
}

}  // namespace remat
