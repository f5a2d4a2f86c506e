// SPDX-License-Identifier: MIT
/// Partitions: which operations form which stage of the pipeline.
///
/// | setting                                             | stages                                                    |
/// |-----------------------------------------------------|-----------------------------------------------------------|
/// | `partition::in_type`                                | what `on_stage` says in the type                          |
/// | `partition::at({"fc1", "fc2"})`                     | each of these modules begins one                          |
/// | `partition::boundaries({4, 9})`                     | each of these operations of the fused program begins one  |
/// | `partition::by_path({{"features", 0}, {"fc1", 1}})` | by number, as `on_stage` gives them                       |
/// | `partition::from_file("partition.json")`            | the same from a file; include remat/partition/partition_file.hpp |
/// | `partition::balanced`, `balanced(costs)`            | of equal cost, counted or measured                        |
/// | `partition::balanced_memory`                        | of equal bytes on each rank                               |
/// | `partition::uniform`                                | of equally many operations                                |
///
/// `assign_stages(program, setting, request)` carries one out.
#pragma once

#include <remat/partition/automatic_partition.hpp>
#include <remat/partition/manual_partition.hpp>
#include <remat/partition/partition_log.hpp>
#include <remat/partition/partition_setting.hpp>
