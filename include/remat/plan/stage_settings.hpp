// SPDX-License-Identifier: MIT
/// What a checkpoint says on a stage that may have a policy of its own (`program::stage_policies`).
#pragma once

#include <remat/model/program.hpp>

namespace remat::detail {

constexpr checkpoint_setting setting_on_stage(const program& p, int stage, const checkpoint_setting& given) {
  checkpoint_setting setting = given;
  for (const stage_policy& own : p.stage_policies) {
    if (own.stage != stage) continue;
    setting.policy = own.setting.policy;
    setting.decide = own.setting.decide;
    setting.plan = own.setting.plan;
    setting.plans_segments = own.setting.plans_segments;
    if (!own.setting.cuts_chains) continue;
    setting.links = own.setting.links;
    setting.cuts_chains = true;
  }
  return setting;
}

/// Whether the stage has a policy of its own that keeps everything.
constexpr bool is_unchecked_stage(const program& p, int stage) {
  for (const stage_policy& own : p.stage_policies)
    if (own.stage == stage && own.setting.decide == &save_all::decide) return true;
  return false;
}

}  // namespace remat::detail
