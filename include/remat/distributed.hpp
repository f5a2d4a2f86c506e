// SPDX-License-Identifier: MIT
/// Everything for the ranks of an MPI job: pipelines, data parallelism, schedules, partitions, the simulator.
#pragma once

#include <remat/dist/distributed_audit.hpp>
#include <remat/dist/distributed_model.hpp>
#include <remat/dist/gathered_timeline.hpp>
#include <remat/dist/profile_on_ranks.hpp>
#include <remat/dist/schedule_csv.hpp>
#include <remat/dist/schedule_text.hpp>
#include <remat/dist/simulate.hpp>
#include <remat/remat.hpp>
#include <remat/report/gantt.hpp>
