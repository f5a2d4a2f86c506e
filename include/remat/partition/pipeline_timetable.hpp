// SPDX-License-Identifier: MIT
/// The messages of a pipeline and when they travel, for all of its stages.
#pragma once

#include <remat/model/program.hpp>
#include <remat/partition/pipeline_messages.hpp>
#include <remat/schedule/message_times.hpp>
#include <remat/schedule/schedule_clock.hpp>

namespace remat {

struct pipeline_timetable {
  core::list<pipeline_message> messages;
  message_timetable times;

  /// Of the fused program with its stages.
  pipeline_timetable(const program& p, const schedule_table& table, bool is_training)
      : messages(messages_of(p, table.stages, is_training)),
        times(message_times(table, nominal_clock(table), between_stages(messages))) {}
};

}  // namespace remat
